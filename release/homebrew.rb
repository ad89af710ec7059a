# Made for each release from release/homebrew.rb.
class Orgproxy < Formula
  desc "Authenticating reverse proxy on localhost in place of a Salesforce org"
  homepage "${homepage}"
  version "${version}"
  license "${licence}"

  on_linux do
${programs}
  end

  # There is no program for macOS yet: it is built there.
  on_macos do
    url "${source_url}"
    sha256 "${source_sha256}"

    depends_on "rust" => :build
  end

  def install
    if OS.mac?
      system "cargo", "install", *std_cargo_args
    else
      bin.install "orgproxy"
    end
    man1.mkpath
    system bin/"orgproxy", "man", "--dir", man1
    generate_completions_from_executable(bin/"orgproxy", "completions")
  end

  service do
    run [opt_bin/"orgproxy", "run", "--config", etc/"orgproxy/proxy.toml"]
    keep_alive successful_exit: false
    log_path var/"log/orgproxy.log"
    error_log_path var/"log/orgproxy.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/orgproxy --version")
    system bin/"orgproxy", "init", "--demo", "--yes"
    system bin/"orgproxy", "query", "SELECT Name FROM Account LIMIT 1"
  end
end
