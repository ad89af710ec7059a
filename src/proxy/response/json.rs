//! URLs in JSON, whose every other byte stays.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{
    document::{Edit, place},
    url_rewriter::UrlRewriter,
};

/// The edits that lead the URLs under `urls` to the proxy.
pub(super) fn urls(text: &str, rewriter: &UrlRewriter) -> Option<Vec<Edit>> {
    let user: Object = serde_json::from_str(text).ok()?;
    let urls: Object = serde_json::from_str(user.get("urls")?.get()).ok()?;
    let mut edits: Vec<_> = urls
        .values()
        .filter_map(|value| edit(text, value, &rewriter.base, |url| rewriter.instance(url)))
        .collect();
    edits.sort_by_key(|edit| edit.at.start);
    Some(edits)
}

/// The edit that leads `identity` to the proxy.
pub(super) fn identity(text: &str, rewriter: &UrlRewriter) -> Option<Vec<Edit>> {
    let resources: Object = serde_json::from_str(text).ok()?;
    let value = resources.get("identity")?;
    let edit = edit(text, value, &rewriter.base, |url| rewriter.identity(url));
    Some(edit.into_iter().collect())
}

/// Names, and values as they are written.
type Object<'a> = BTreeMap<String, &'a RawValue>;

/// The edit that puts `base` in the place of the beginning of a string in `text`, as much as
/// `origin` takes.
fn edit(
    text: &str,
    value: &RawValue,
    base: &str,
    origin: impl Fn(&str) -> Option<usize>,
) -> Option<Edit> {
    let url = value.get().strip_prefix('"')?.strip_suffix('"')?;
    let replaced = &url[..origin(url)?];
    let base = serde_json::to_string(base).ok()?;
    let base = base.trim_matches('"');
    Some(Edit {
        at: place(text, replaced)?,
        text: if replaced.contains("\\/") {
            base.replace('/', "\\/")
        } else {
            base.to_owned()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{super::rewrite::tests::rewritten, *};

    #[test]
    fn urls_become_ours_and_no_other_byte_changes() {
        for (theirs, expected) in [
            (
                r#"{"sub":"https://acme.my.salesforce.com/id/1","urls":{"rest":"https://acme.my.salesforce.com/services/data/v{version}/","custom_domain":"https://acme.my.salesforce.com"},"x":1}"#,
                r#"{"sub":"https://acme.my.salesforce.com/id/1","urls":{"rest":"http://127.0.0.1:8080/services/data/v{version}/","custom_domain":"http://127.0.0.1:8080"},"x":1}"#,
            ),
            // Order, space and escapes.
            (
                "{ \"urls\" : {\r\n\t\"z\" : \"https:\\/\\/ACME.my.salesforce.com:443\\/a\\u00e9\\\"\" ,\n\"a\":\"https://acme.my.salesforce.com/é\\/\" } , \"Z\\/\\u0041\":1.50e1}\n",
                "{ \"urls\" : {\r\n\t\"z\" : \"http:\\/\\/127.0.0.1:8080\\/a\\u00e9\\\"\" ,\n\"a\":\"http://127.0.0.1:8080/é\\/\" } , \"Z\\/\\u0041\":1.50e1}\n",
            ),
            // Others.
            (
                r#"{"urls":{"a":"https://acme.my.salesforce.com.evil.example/","b":"https://acme.my.salesforce.com:8443/","c":"http://acme.my.salesforce.com/","d":"/services/data","e":null,"f":["https://acme.my.salesforce.com"],"g":7,"h":"https://acme.my.salesforce.com\u0061/"}}"#,
                r#"{"urls":{"a":"https://acme.my.salesforce.com.evil.example/","b":"https://acme.my.salesforce.com:8443/","c":"http://acme.my.salesforce.com/","d":"/services/data","e":null,"f":["https://acme.my.salesforce.com"],"g":7,"h":"https://acme.my.salesforce.com\u0061/"}}"#,
            ),
            (r#"{"urls":{}}"#, r#"{"urls":{}}"#),
        ] {
            assert_eq!(rewritten(theirs, urls).as_deref(), Some(expected));
        }
        for untouched in [
            "",
            "{}",
            "{\"photos\":{\"urls\":{\"a\":\"https://acme.my.salesforce.com/\"}}}",
            "[]",
            "[{\"a\":\"https://acme.my.salesforce.com/\"}]",
            "{\"urls\":7}",
            "{\"urls\":{\"a\":\"https://acme.my.salesforce.com/",
            "{\"urls\":{}}{}",
            "\u{feff}{}",
        ] {
            assert_eq!(rewritten(untouched, urls), None, "{untouched}");
        }
    }

    #[test]
    fn the_identity_becomes_ours_and_no_other_byte_changes() {
        for (theirs, expected) in [
            (
                r#"{"tooling":"/services/data/v62.0/tooling","identity":"https://login.salesforce.com/id/00D/005","x":"https://login.salesforce.com/id/00D/005"}"#,
                r#"{"tooling":"/services/data/v62.0/tooling","identity":"http://127.0.0.1:8080/id/00D/005","x":"https://login.salesforce.com/id/00D/005"}"#,
            ),
            (
                "{\n  \"identity\" : \"https:\\/\\/acme.my.salesforce.com\\/id\\/00D\\/005\"\n}",
                "{\n  \"identity\" : \"http:\\/\\/127.0.0.1:8080\\/id\\/00D\\/005\"\n}",
            ),
            (
                r#"{"identity":"https://login.salesforce.com/other"}"#,
                r#"{"identity":"https://login.salesforce.com/other"}"#,
            ),
            (r#"{"identity":["a"]}"#, r#"{"identity":["a"]}"#),
        ] {
            assert_eq!(rewritten(theirs, identity).as_deref(), Some(expected));
        }
        assert_eq!(rewritten("{}", identity), None);
        assert_eq!(rewritten("[{}]", identity), None);
    }
}
