"""What Homebrew, Scoop and cargo-binstall read. None of them is here: what they would fetch is looked at."""

import json
import re
import tarfile
import tomllib
import zipfile

import manifests
import project
from made import ROOT, dist, expect, fresh, one
from project import VERSION
from tools import run

# A formula's words, noting what they are given, for a machine of this kind.
STAND_IN = """
require "json"
NOTED = {}
class Formula
  MACHINE = ARGV[1]
  %w[desc homepage version license url sha256].each do |word|
    define_singleton_method(word) { |text| NOTED[word] = text }
  end
  def self.depends_on(what) = NOTED["depends_on"] = what
  def self.on_linux = (yield if MACHINE.start_with?("linux"))
  def self.on_macos = (yield if MACHINE.start_with?("macos"))
  def self.on_intel = (yield if MACHINE.end_with?("intel"))
  def self.on_arm = (yield if MACHINE.end_with?("arm"))
  def self.service = NOTED["service"] = true
  def self.test = NOTED["test"] = true
end
load ARGV[0]
puts JSON.generate(NOTED)
"""


def homebrew():
    """Ruby takes it, and for each machine it names a file of this release with its checksum."""
    formula = one("*.rb")
    run(["ruby", "-wc", formula])
    found = []
    for machine in ["linux-intel", "linux-arm", "macos-intel", "macos-arm"]:
        noted = json.loads(run(["ruby", "-e", STAND_IN, formula, machine]))
        expect(noted["version"] == VERSION and noted["license"] == "MIT", f"{noted}")
        expect(noted["test"] and noted["service"], "it has no test or no service")
        # `brew audit` wants it so.
        expect(len(noted["desc"]) <= 80 and not re.match(r"(An?|The) |.*\\.$", noted["desc"]), noted["desc"])
        if "url" not in noted:
            continue
        found.append(machine)
        fetched(noted["url"], noted["sha256"])
        if machine.startswith("linux"):
            contains(noted["url"], "orgproxy")
        else:
            expect(noted["depends_on"] == {"rust": "build"}, f"{noted}")
            contains(noted["url"], "Cargo.toml")
    expect({"macos-intel", "macos-arm"} < set(found), f"only {found}")
    return f"for {', '.join(found)}"


def fetched(url, sha256):
    name = url.rsplit("/", 1)[1]
    expect(url == project.download(name), f"{url} is another place than {project.download(name)}")
    expect(digest(dist() / name) == sha256, f"the checksum of {name} is another")


def digest(path):
    """By another program than the one that wrote it down."""
    return run(["sha256sum", path]).split()[0]


def contains(url, wanted):
    """Homebrew goes into the only folder of an archive."""
    with tarfile.open(dist() / url.rsplit("/", 1)[1]) as file:
        names = file.getnames()
    folder = names[0].split("/")[0]
    expect({name.split("/")[0] for name in names} == {folder}, f"more than one folder: {names}")
    expect(f"{folder}/{wanted}" in names, f"there is no {wanted} in {names}")


def scoop():
    """Nothing is written without a program for Windows; with one, it is what Scoop's schema asks for."""
    folder = fresh("scoop")
    expect(not manifests.scoop(folder), "it is made of nothing")
    inside = f"orgproxy-{VERSION}-x86_64-pc-windows-msvc"
    with zipfile.ZipFile(folder / f"{inside}.zip", "w") as file:
        file.writestr(f"{inside}/orgproxy.exe", "MZ")
    expect(manifests.scoop(folder), "it is not made")
    said = json.loads((folder / "orgproxy.json").read_text())
    expect(said.keys() == {"version", "description", "homepage", "license", "architecture", "bin", "checkver",
                           "autoupdate"}, f"{said.keys()}")
    [(bits, place)] = said["architecture"].items()
    expect(bits == "64bit" and place.keys() == {"url", "hash", "extract_dir"}, f"{place}")
    expect(place["url"] == project.download(f"{inside}.zip"), place["url"])
    expect(place["hash"] == digest(folder / f"{inside}.zip"), place["hash"])
    with zipfile.ZipFile(folder / f"{inside}.zip") as file:
        expect(f"{place['extract_dir']}/{said['bin']}" in file.namelist(), f"{said}")
    # Its next version is where this one is.
    next_one = said["autoupdate"]["architecture"]["64bit"]
    for key in ["url", "extract_dir"]:
        expect(next_one[key].replace("$version", VERSION) == place[key], f"{next_one[key]}")
    expect(re.search(said["checkver"]["regex"], f"/v{VERSION}")[1] == VERSION, f"{said['checkver']}")


def binstall():
    """What cargo-binstall makes of Cargo.toml is an archive that is there, with the program where it says."""
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    rules = package["metadata"]["binstall"]
    expect(rules["pkg-fmt"] == "tgz", rules["pkg-fmt"])
    archive = one("*-linux-*.tar.gz")
    target = archive.name.removeprefix(f"orgproxy-{VERSION}-").removesuffix(".tar.gz")
    facts = {"repo": package["repository"], "version": VERSION, "name": "orgproxy", "target": target,
             "bin": "orgproxy", "binary-ext": ""}
    url, inside = (re.sub(r"\{ (\S+) \}", lambda word: facts[word[1]], rules[key])
                   for key in ["pkg-url", "bin-dir"])
    expect(url == project.download(archive.name), f"{url} is not {project.download(archive.name)}")
    with tarfile.open(archive) as file:
        expect(inside in file.getnames(), f"there is no {inside} in it")
        expect(file.getmember(inside).mode == 0o755, "it cannot be run")
    return url
