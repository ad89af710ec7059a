//! A configuration, in a file and by variables: whatever is wrong with it, no message shows a secret.

use std::path::Path;

use super::{
    document::{Node, Table, Value},
    *,
};
use crate::fuzz::property;

#[test]
fn no_mistake_in_a_file_shows_a_secret() {
    property!("config", WORDS, 96, of_file);
}

#[test]
fn no_mistake_in_a_variable_shows_a_secret() {
    property!("variable", WORDS, 48, of_variable);
}

/// As a key or a token looks.
const SECRET: &str = "Xk9Qv2Lr8TzW4mBn7YcD5hJs";

const WORDS: [&str; 84] = [
    "\n",
    "\n",
    "[org.main]\n",
    "[org.other]\n",
    "[org.main.guard]\n",
    "[org.main.policy]\n",
    "[org.main.budget]\n",
    "[org.main.users]\n",
    "[org.main.clients]\n",
    "[admin]\n",
    "[tls]\n",
    "[limits]\n",
    "[traces]\n",
    "[redis]\n",
    "[access_log]\n",
    "client_id = ",
    "username = ",
    "private_key = ",
    "passphrase = ",
    "login_url = ",
    "audience = ",
    "instance_url = ",
    "trusted_hosts = ",
    "hosts = ",
    "port = ",
    "listen = ",
    "client_key = ",
    "allow_users = ",
    "allow_paths = ",
    "allow_origins = ",
    "certificate = ",
    "ca_file = ",
    "state_dir = ",
    "pid_file = ",
    "log = ",
    "threads = ",
    "grace = ",
    "url = ",
    "endpoint = ",
    "headers = ",
    "file = ",
    "format = ",
    "read_only = ",
    "deny_objects = ",
    "read_fields = ",
    "intercept = ",
    "minimum_api_version = ",
    "session_timeout = ",
    "per_minute = ",
    "{ env = ",
    "{ file = ",
    "{ credential = ",
    " }",
    "[",
    "]",
    ", ",
    "{ ",
    "\"",
    "\"\"",
    "'''",
    "\"Xk9Qv2Lr8TzW4mBn7YcD5hJs\"",
    "Xk9Qv2Lr8TzW4mBn7YcD5hJs",
    "\"https://a:Xk9Qv2Lr8TzW4mBn7YcD5hJs@b.example\"",
    "\"https://b.example/?Xk9Qv2Lr8TzW4mBn7YcD5hJs\"",
    "\"https://b.example\"",
    "\"redis://:Xk9Qv2Lr8TzW4mBn7YcD5hJs@b.example\"",
    "\"Authorization: Bearer Xk9Qv2Lr8TzW4mBn7YcD5hJs\"",
    "\"-----BEGIN PRIVATE KEY-----\\nXk9Qv2Lr8TzW4mBn7YcD5hJs\\n-----END PRIVATE KEY-----\"",
    "\"me@example.com\"",
    "\"acme.localhost\"",
    "\"127.0.0.1:8080\"",
    "\"unix:/nowhere/socket\"",
    "\"info\"",
    "\"2h\"",
    "\"*\"",
    "\"Account.Name\"",
    "true",
    "8080",
    "-1",
    "1.5",
    "1979-05-27",
    "99999999999999999999",
    "\\u0000",
    "\u{202e}",
];

fn of_file(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let Some(document) = document::parse(&text, &Problems::new("a file")) else {
        return says_nothing(&text, &Overrides::default());
    };
    // A name is not where a secret is, and what is read here is not to run programs.
    if !names(&document).any(|name| name.contains(SECRET) || name == "command") {
        says_nothing(&text, &Overrides::default());
    }
}

fn of_variable(text: &[u8]) {
    let Some((first, value)) = text.split_first() else {
        return;
    };
    let key = &KEYS[usize::from(*first) % KEYS.len()];
    let mut overrides = Overrides::default();
    overrides.set_variable(key, String::from_utf8_lossy(value).into_owned());
    says_nothing(
        "[org.main]\nclient_id = \"a\"\nusername = \"b\"\n",
        &overrides,
    );
}

fn says_nothing(text: &str, overrides: &Overrides) {
    let path = Path::new("/nowhere/proxy.toml");
    let said = match Config::from_toml(text, path, overrides) {
        Ok(_) => return,
        Err(error) => error.to_string(),
    };
    assert!(!said.contains(SECRET), "{text}\n{overrides:?}\n{said}");
    let is_odd = |c: char| c != '\n' && crate::system::escape::is_tricky(c);
    assert!(!said.contains(is_odd), "{text}\n{overrides:?}\n{said:?}");
}

/// The names of all keys, however deep.
fn names(table: &Table) -> Box<dyn Iterator<Item = &str> + '_> {
    Box::new(
        table
            .iter()
            .flat_map(|(name, node)| std::iter::once(&**name).chain(names_in(node))),
    )
}

fn names_in(node: &Node) -> Box<dyn Iterator<Item = &str> + '_> {
    match &node.value {
        Value::Table(table) => names(table),
        Value::List(nodes) => Box::new(nodes.iter().flat_map(names_in)),
        _ => Box::new(std::iter::empty()),
    }
}
