//! Private keys in every form that the real `openssl` writes.

use std::{fs, process::Command};

use orgproxy::config::{Config, Overrides, PrivateKey};
use test_case::test_case;

use crate::support::{
    Keys, chmod,
    keys::{base64, der},
    skip,
};

#[test_case("rsa -in key.pem -traditional -out out"; "pkcs1")]
#[test_case("pkcs8 -topk8 -nocrypt -in key.pem -out out"; "pkcs8")]
#[test_case("rsa -in key.pem -traditional -outform der -out out"; "pkcs1 in der")]
#[test_case("pkcs8 -topk8 -nocrypt -in key.pem -outform der -out out"; "pkcs8 in der")]
#[test_case("genrsa -out out 3072"; "3072 bits")]
#[test_case("genrsa -out out 4096"; "4096 bits")]
fn a_plain_key_is_read(command: &str) {
    let keys = Keys::new();
    keys.openssl(command);
    let key = keys.parse("out", None).unwrap();
    assert!([2048, 3072, 4096].contains(&key.bits()));
    assert_eq!(format!("{key:?}"), "[redacted]");
}

#[test_case("rsa -in key.pem -traditional -des3 -passout pass:sesame -out out"; "traditional 3des")]
#[test_case("rsa -in key.pem -traditional -aes128 -passout pass:sesame -out out"; "traditional aes128")]
#[test_case("rsa -in key.pem -traditional -aes192 -passout pass:sesame -out out"; "traditional aes192")]
#[test_case("rsa -in key.pem -traditional -aes256 -passout pass:sesame -out out"; "traditional aes256")]
#[test_case("genrsa -des3 -traditional -passout pass:sesame -out out 2048"; "genrsa 3des")]
#[test_case("pkcs8 -topk8 -in key.pem -v2 aes128 -passout pass:sesame -out out"; "pbes2 aes128")]
#[test_case("pkcs8 -topk8 -in key.pem -v2 aes256 -passout pass:sesame -out out"; "pbes2 aes256")]
#[test_case("pkcs8 -topk8 -in key.pem -v2 des3 -passout pass:sesame -out out"; "pbes2 3des")]
#[test_case("pkcs8 -topk8 -in key.pem -v2 aes256 -v2prf hmacWithSHA1 -passout pass:sesame -out out"; "pbes2 sha1")]
#[test_case("pkcs8 -topk8 -in key.pem -scrypt -passout pass:sesame -out out"; "pbes2 scrypt")]
#[test_case("pkcs8 -topk8 -in key.pem -v2 aes256 -passout pass:sesame -outform der -out out"; "pbes2 in der")]
fn an_encrypted_key_is_read_with_its_passphrase_only(command: &str) {
    let keys = Keys::new();
    keys.openssl(command);
    assert_eq!(keys.parse("out", Some("sesame")).unwrap().bits(), 2048);
    assert_eq!(
        keys.parse("out", Some("open")).unwrap_err(),
        "out cannot be decrypted with this passphrase"
    );
    assert!(
        keys.parse("out", None)
            .unwrap_err()
            .starts_with("out is encrypted; add passphrase = ")
    );
}

#[test_case("ecparam -name prime256v1 -genkey -out out", "is an EC key, but"; "ec with parameters")]
#[test_case("ecparam -name prime256v1 -genkey -noout -outform der -out out", "is an EC key, but"; "ec in der")]
#[test_case("genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out out", "is an EC key, but"; "ec in pkcs8")]
#[test_case("genpkey -algorithm ed25519 -out out", "is an Ed25519 key, but"; "ed25519")]
#[test_case("genpkey -algorithm x25519 -out out", "is a key of another algorithm, but"; "x25519")]
#[test_case("genpkey -algorithm rsa-pss -out out", "is an RSA-PSS key, but"; "rsa pss")]
#[test_case("genrsa -out out 1024", "is an RSA key of 1024 bits, but it must have 2048 to 8192; create"; "1024 bits")]
#[test_case("rsa -in key.pem -pubout -out out", "is a public key; use the private key"; "public")]
#[test_case("rsa -in key.pem -RSAPublicKey_out -out out", "is a public key; use the private key"; "rsa public")]
#[test_case("rsa -in key.pem -pubout -outform der -out out", "is a public key; use the private key"; "public in der")]
#[test_case("req -x509 -new -key key.pem -subj /CN=x -out out", "is a certificate, which is for Salesforce"; "certificate")]
#[test_case("req -x509 -new -key key.pem -subj /CN=x -outform der -out out", "is a certificate, which is for Salesforce"; "certificate in der")]
#[test_case("req -new -key key.pem -subj /CN=x -out out", "is a certificate, which is for Salesforce"; "request")]
#[test_case("pkcs12 -export -inkey key.pem -nocerts -passout pass:x -out out", "is a Java or PKCS#12 key store; extract"; "pkcs12")]
#[test_case("pkcs8 -topk8 -in key.pem -v1 PBE-SHA1-3DES -passout pass:x -out out", "is encrypted in a way that is not supported (not PBES2); convert"; "pbes1")]
#[test_case("rsa -in key.pem -traditional -camellia128 -passout pass:x -out out", "is encrypted in a way that is not supported (CAMELLIA-128-CBC); convert"; "camellia")]
fn what_is_not_a_usable_key_is_refused_as_what_it_is(command: &str, expected: &str) {
    let keys = Keys::new();
    keys.openssl(command);
    let error = keys.parse("out", Some("x")).unwrap_err();
    assert!(error.starts_with(&format!("out {expected}")), "{error}");
}

#[test_case(|pem| pem.replace('\n', "\r\n"); "crlf")]
#[test_case(|pem| pem.replace('\n', "\\n"); "escaped line ends")]
#[test_case(|pem| pem.replace('\n', " "); "one line")]
#[test_case(|pem| format!("Bag Attributes\n    localKeyID: 01\nKey Attributes: <none>\n{pem}"); "bag attributes")]
#[test_case(|pem| format!("\u{feff}{pem}"); "byte order mark")]
#[test_case(|pem| pem.lines().map(|line| format!("  {line}  \n")).collect(); "indented")]
#[test_case(|pem| pem.replace('\n', "\\r\\n"); "escaped line ends of windows")]
#[test_case(|pem| pem.replace('\n', "\\\\n"); "line ends escaped twice")]
#[test_case(|pem| serde_json::to_string(pem).unwrap(); "a string of json")]
#[test_case(|pem| serde_json::to_string(pem).unwrap().replace('/', "\\/"); "a string of json by php")]
#[test_case(|pem| base64(pem.as_bytes()); "base64 of pem")]
#[test_case(|pem| lines_of(&base64(pem.as_bytes()), 76); "base64 of pem in lines")]
#[test_case(|pem| base64(pem.replace('\n', "\r\n").as_bytes()); "base64 of pem of windows")]
#[test_case(|pem| base64(&der(pem)); "base64 of der")]
#[test_case(|pem| lines_of(&base64(&der(pem)), 64); "base64 of der in lines, which is pem without its first and last line")]
#[test_case(|pem| base64(&der(pem)).replace('\n', "").trim_end_matches('=').to_owned(); "base64 without padding")]
#[test_case(|pem| base64(&der(pem)).replace('+', "-").replace('/', "_"); "base64 for urls")]
#[test_case(|pem| format!("'{}'\n", base64(&der(pem))); "base64 in quotes")]
fn a_key_that_has_been_handled_is_read(handle: fn(&str) -> String) {
    let keys = Keys::new();
    let pem = fs::read_to_string(keys.path("key.pem")).unwrap();
    fs::write(keys.path("out"), handle(&pem)).unwrap();
    keys.parse("out", None).unwrap();
}

#[test_case(u16::to_le_bytes; "little endian, as PowerShell writes")]
#[test_case(u16::to_be_bytes; "big endian")]
fn a_key_in_utf_16_is_read(bytes: fn(u16) -> [u8; 2]) {
    let keys = Keys::new();
    let pem = fs::read_to_string(keys.path("key.pem")).unwrap();
    let utf_16 = format!("\u{feff}{pem}");
    let utf_16: Vec<u8> = utf_16.encode_utf16().flat_map(bytes).collect();
    fs::write(keys.path("out"), &utf_16).unwrap();
    keys.parse("out", None).unwrap();

    fs::write(keys.path("out"), &utf_16[2..]).unwrap();
    let error = keys.parse("out", None).unwrap_err();
    assert!(
        error.contains("UTF-16 without a byte order mark"),
        "{error}"
    );
}

#[test_case(|pem| pem.replace("-----", "----"), "PEM with a malformed first line; write the first line as"; "four dashes")]
#[test_case(|pem| pem.replace("-----", "\u{2014}\u{2014}-"), "PEM with a malformed first line"; "dashes of a word processor")]
#[test_case(str::to_ascii_lowercase, "PEM with a malformed first line"; "lower case")]
#[test_case(|pem| pem.split_once('\n').unwrap().1.to_owned(), "PEM without its first line; use all of it"; "without its first line")]
#[test_case(|pem| pem.trim_end().rsplit_once('\n').unwrap().0.to_owned(), "PEM without its last line; it may be cut off"; "without its last line")]
#[test_case(|pem| pem.lines().map(|line| format!("> {line}\n")).collect(), "PEM quoted as in an email; remove the > from"; "quoted in a mail")]
#[test_case(|pem| format!("{{\"key\": {pem:?}").replace("-----", "-"), "PEM with a malformed first line"; "json of another kind")]
#[test_case(|pem| der(pem).iter().map(|byte| format!("{byte:02x}")).collect(), "hexadecimal digits; convert it to bytes: `xxd"; "hexadecimal")]
#[test_case(|pem| format!("{:?}", der(pem)), "a list of numbers; convert it to bytes"; "decimal")]
#[test_case(|pem| base64(&der(pem))[8..].to_owned(), "base64; it is neither complete PEM nor complete DER"; "base64 in part")]
#[test_case(|pem| pem.replace('+', "%2B").replace('\n', "%0A"), "URL-encoded text; decode it"; "url-encoded")]
fn a_key_that_is_not_read_is_described(damage: fn(&str) -> String, expected: &str) {
    let keys = Keys::new();
    let pem = fs::read_to_string(keys.path("key.pem")).unwrap();
    fs::write(keys.path("out"), damage(&pem)).unwrap();
    let error = keys.parse("out", None).unwrap_err();
    let start = format!("out does not hold a readable private key, but looks like {expected}");
    assert!(error.starts_with(&start), "{error}");
}

#[test]
fn the_key_is_found_behind_a_certificate() {
    let keys = Keys::new();
    keys.openssl("req -x509 -new -key key.pem -subj /CN=x -out cert.pem");
    let both = [keys.path("cert.pem"), keys.path("key.pem")].map(|path| fs::read(path).unwrap());
    fs::write(keys.path("out"), both.concat()).unwrap();
    keys.parse("out", None).unwrap();
}

#[test_case(|_| b"hello".to_vec(); "text")]
#[test_case(|_| vec![0x30, 0x82, 0xff, 0x00]; "binary")]
fn a_key_that_is_not_whole_is_refused(damage: fn(&[u8]) -> Vec<u8>) {
    let keys = Keys::new();
    let pem = fs::read(keys.path("key.pem")).unwrap();
    fs::write(keys.path("out"), damage(&pem)).unwrap();
    assert_eq!(
        keys.parse("out", None).unwrap_err(),
        "out does not hold a complete private key: expected PEM from -----BEGIN to -----END, or DER; \
         it may be cut off or damaged"
    );
}

#[test]
fn a_key_whose_numbers_do_not_fit_is_refused_at_once() {
    let keys = Keys::new();
    keys.openssl("rsa -in key.pem -traditional -outform der -out out");
    let mut der = fs::read(keys.path("out")).unwrap();
    let middle = der.len() / 2;
    der[middle] ^= 1;
    fs::write(keys.path("out"), der).unwrap();
    assert_eq!(
        keys.parse("out", None).unwrap_err(),
        "out is damaged: it has the form of an RSA key, but its numbers do not match"
    );
}

#[test]
fn a_key_in_the_format_of_openssh_is_refused() {
    let keys = Keys::new();
    let text = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    fs::write(keys.path("out"), text).unwrap();
    let error = keys.parse("out", None).unwrap_err();
    assert!(
        error.starts_with("out is in OpenSSH's format; create an RSA key"),
        "{error}"
    );
}

#[test_case(
    0o644,
    "key.pem can be read by others (mode 0644); run `chmod 600 key.pem`"
)]
#[test_case(
    0o640,
    "key.pem can be read by others (mode 0640); run `chmod 600 key.pem`, or set allow_group_read = true"
)]
#[test_case(
    0o620,
    "key.pem can be read by others (mode 0620); run `chmod 600 key.pem`"
)]
fn a_key_that_others_can_read_is_refused(mode: u32, expected: &str) {
    let keys = Keys::new();
    chmod(&keys.path("key.pem"), mode);
    assert_eq!(keys.load("{ file = \"key.pem\" }").unwrap_err(), expected);
}

#[test_case(0o640, true)]
#[test_case(0o400, true)]
#[test_case(0o644, false)]
#[test_case(0o660, false)]
fn a_group_may_read_if_allowed(mode: u32, expected: bool) {
    let keys = Keys::new();
    chmod(&keys.path("key.pem"), mode);
    let loaded = keys.load("{ file = \"key.pem\", allow_group_read = true }");
    assert_eq!(loaded.is_ok(), expected, "{loaded:?}");
}

#[test_case("{ file = \"none.key\" }", "none.key does not exist; correct the path")]
#[test_case(
    "{ file = \"none\" }",
    "does not exist: FOLDER has nothing of that name (4 characters, not shown because they may be secret); correct the path"
)]
#[test_case(
    "\"~/none\"",
    "~/none does not exist: only shells expand `~`; write the full path"
)]
#[test_case("{ file = \"folder\" }", "folder is a directory; name the file in it")]
#[test_case(
    "{ file = \"pipe\" }",
    "pipe is not a regular file; copy it to one, or use a command"
)]
#[test_case("{ file = \"empty\" }", "empty is empty")]
#[test_case(
    "{ env = \"ORGPROXY_TEST_UNSET\" }",
    "environment variable ORGPROXY_TEST_UNSET is not set"
)]
#[test_case(
    "{ command = [\"false\"] }",
    "command false failed (exit status: 1); run it by hand to see why"
)]
#[test_case("{ command = [\"true\"] }", "command true is empty")]
#[test_case(
    "{ command = [\"/none\"] }",
    "command /none cannot be started: No such file or directory (os error 2)"
)]
#[test_case(
    "{ command = [\"sleep\", \"60\"] }",
    "command sleep did not finish within 10 s; it must not ask for input"
)]
#[test_case(
    "{ credential = \"key.pem\" }",
    "credential key.pem cannot be found: CREDENTIALS_DIRECTORY is not set; start with systemd and LoadCredential=NAME:PATH"
)]
#[test_case(
    "{ file = \"key.pem\", env = \"X\" }",
    "must have exactly one of file, env, command and credential"
)]
#[test_case("{ }", "must have exactly one of file, env, command and credential"; "nothing")]
#[test_case(
    "\"-----BEGIN PRIVATE KEY-----\"",
    "must be a path, not the content of the file (27 characters that look like PEM without its last line); write that to a file, and use the path of the file"
)]
#[test_case(
    "{ file = \"key.pem\", passphrase = \"sesame\" }",
    "must not be written here itself; say where it is kept, as in { env = \"NAME\" }, { file = \"PATH\" }, { command = [\"PROGRAM\"] } or { credential = \"NAME\" }"
)]
#[test_case(
    "{ file = \"key.pem\", passphrase = { env = \"ORGPROXY_TEST_UNSET\" } }",
    "passphrase: environment variable ORGPROXY_TEST_UNSET is not set"
)]
fn a_key_that_cannot_be_had_is_reported_with_the_reason(reference: &str, expected: &str) {
    let keys = Keys::new();
    fs::create_dir(keys.path("folder")).unwrap();
    fs::write(keys.path("empty"), "").unwrap();
    chmod(&keys.path("empty"), 0o600);
    let made = Command::new("mkfifo")
        .arg(keys.path("pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(keys.load(reference).unwrap_err(), expected);
}

#[test]
fn a_key_of_another_user_is_refused() {
    let keys = Keys::new();
    if std::os::unix::fs::chown(keys.path("key.pem"), Some(12345), None).is_err() {
        return skip("only root gives files away");
    }
    assert_eq!(
        keys.load("\"key.pem\"").unwrap_err(),
        "key.pem belongs to user 12345, who could replace it; run `chown 0 key.pem`"
    );
}

#[test]
fn a_key_and_its_passphrase_come_from_commands() {
    let keys = Keys::new();
    keys.openssl("pkcs8 -topk8 -in key.pem -passout pass:sesame -out out");
    let out = keys.path("out").display().to_string();
    keys.load(&format!(
        "{{ command = [\"cat\", \"{out}\"], passphrase = {{ command = [\"echo\", \"sesame\"] }} }}"
    ))
    .unwrap();
}

/// The variables of a process are set by whoever starts it, so the test starts itself.
#[test]
fn a_key_comes_from_the_environment() {
    let keys = Keys::new();
    let pem = fs::read_to_string(keys.path("key.pem")).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "key::within_an_environment", "--ignored"])
        .env("ORGPROXY_TEST_KEY", pem.replace('\n', "\\n"))
        .env("CREDENTIALS_DIRECTORY", keys.path(""))
        .status();
    assert!(status.unwrap().success());
}

#[test]
#[ignore = "a_key_comes_from_the_environment runs it, with the environment that it needs"]
fn within_an_environment() {
    let keys = Keys::new();
    keys.load("{ env = \"ORGPROXY_TEST_KEY\" }").unwrap();
    keys.load("{ credential = \"key.pem\" }").unwrap();
}

impl Keys {
    fn parse(&self, name: &str, passphrase: Option<&str>) -> Result<PrivateKey, String> {
        let bytes = fs::read(self.path(name)).unwrap();
        let passphrase = passphrase.map(str::as_bytes);
        PrivateKey::parse(name, &bytes, passphrase).map_err(|error| error.to_string())
    }

    /// Loads a configuration in this folder whose `private_key` is `reference`. The error is without its
    /// place.
    fn load(&self, reference: &str) -> Result<Config, String> {
        let file = format!(
            "[org.main]\nclient_id = \"3MVG9\"\nusername = \"me\"\nprivate_key = {reference}\n"
        );
        let folder = self.path("").display().to_string();
        Config::from_toml(&file, &self.path("proxy.toml"), &Overrides::default()).map_err(|error| {
            let error = error.to_string().replace(&folder, "");
            let error = error.replace(folder.trim_end_matches('/'), "FOLDER");
            let (_, message) = error
                .split_once("private_key: ")
                .or_else(|| error.split_once("passphrase: "))
                .or_else(|| error.split_once("private_key.file: "))
                .unwrap();
            message.to_owned()
        })
    }
}

fn lines_of(text: &str, width: usize) -> String {
    let lines = text
        .as_bytes()
        .chunks(width)
        .map(|line| str::from_utf8(line).unwrap());
    lines.map(|line| format!("{line}\n")).collect()
}
