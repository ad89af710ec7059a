//! `Sforce-Call-Options`: where the org is told who calls.

use http::{HeaderMap, HeaderName, HeaderValue, header::Entry};

use crate::{
    proxy::{
        family::Family,
        path,
        target::{Api, Target},
    },
    watch::{Client, KnownBy},
};

/// Returns whether the API at `path` takes call options in a header.
pub(super) fn are_known(family: Family, path: &str) -> bool {
    match family {
        Family::Bulk(_) => true,
        // A class of Apex REST sees all headers, and is told nothing that its client did not say.
        Family::Rest => Target::parse(&path::resolved(path.as_bytes())).api == Api::Rest,
        _ => false,
    }
}

/// The name of `client` for the org, with nothing in it that a header or XML would take for
/// something else; none if nothing is known of it.
pub(super) fn name(client: &Client) -> Option<String> {
    let identity = client.identity();
    let name = identity.name()?;
    let name = match identity.known_by {
        KnownBy::Uid => format!("uid-{name}"),
        _ => name,
    };
    let plain = |c: char| {
        let is_plain = c.is_ascii_alphanumeric() || "._-@/".contains(c);
        if is_plain { c } else { '_' }
    };
    let name: String = name.chars().take(LONGEST).map(plain).collect();
    (!name.is_empty()).then_some(name)
}

/// Puts `name` into the options among `headers`, if the client has not said who it is.
pub(super) fn add_client(headers: &mut HeaderMap, name: &str) {
    let lines = headers.get_all(CALL_OPTIONS);
    if lines.iter().any(|line| says_client(line.as_bytes())) {
        return;
    }
    let own = format!("client={name}");
    if let Entry::Occupied(mut lines) = headers.entry(CALL_OPTIONS)
        && let Some(line) = lines.iter_mut().find(|line| !line.is_empty())
    {
        let both = [own.as_bytes(), b", ", line.as_bytes()].concat();
        // Both were fit for a header before.
        if let Ok(both) = HeaderValue::from_bytes(&both) {
            *line = both;
        }
    } else if let Ok(own) = HeaderValue::from_str(&own) {
        headers.insert(CALL_OPTIONS, own);
    }
}

/// Returns whether one of the options in `line` is the client.
fn says_client(line: &[u8]) -> bool {
    let mut options = line.split(|byte| matches!(byte, b',' | b';'));
    options.any(|option| {
        let name = option.split(|byte| *byte == b'=').next();
        name.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"client"))
    })
}

const CALL_OPTIONS: HeaderName = HeaderName::from_static("sforce-call-options");

/// Bytes.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(&Client::Named("etl@example.com".into()), Some("etl@example.com"); "a name")]
    #[test_case(&Client::Listener("nightly load".into()), Some("nightly_load"); "a blank")]
    #[test_case(&Client::Listener("a\"<&>'\r\nb\u{202e}ü".into()), Some("a______r_nb_u202e_"); "tricky")]
    #[test_case(&Client::Says("curl/8.5.0 (x)".into()), Some("curl/8.5.0"); "a product")]
    #[test_case(&Client::Says("(x)".into()), None; "no product")]
    #[test_case(&Client::Uid(1000), Some("uid-1000"); "a user")]
    #[test_case(&Client::Unknown, None; "unknown")]
    fn a_name_has_nothing_that_is_read_otherwise(client: &Client, expected: Option<&str>) {
        assert_eq!(name(client).as_deref(), expected);
    }

    #[test]
    fn a_name_is_not_endless() {
        let client = Client::Named("é".repeat(500).into());
        assert_eq!(name(&client).unwrap().len(), LONGEST);
    }

    #[test_case(&[], &["client=me"]; "nothing")]
    #[test_case(&[""], &["client=me"]; "an empty line")]
    #[test_case(&["", "a=1"], &["", "client=me, a=1"]; "an empty line before another option")]
    #[test_case(&["defaultNamespace=ns"], &["client=me, defaultNamespace=ns"]; "another option")]
    #[test_case(&["a=1", "b=2"], &["client=me, a=1", "b=2"]; "two lines")]
    #[test_case(&["client=x"], &["client=x"]; "a client")]
    #[test_case(&["defaultNamespace=ns , Client = x"], &["defaultNamespace=ns , Client = x"]; "in another spelling")]
    #[test_case(&["a=1", "client=x"], &["a=1", "client=x"]; "in another line")]
    #[test_case(&["clients=x"], &["client=me, clients=x"]; "what only looks like it")]
    fn a_client_is_named_where_it_has_not_named_itself(said: &[&'static str], expected: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in said {
            headers.append(CALL_OPTIONS, HeaderValue::from_static(line));
        }
        add_client(&mut headers, "me");
        let lines: Vec<_> = headers.get_all(CALL_OPTIONS).iter().collect();
        assert_eq!(lines, expected);
    }
}
