//! URLs in XML, whose every other byte stays.

use quick_xml::{
    escape::escape,
    events::{BytesStart, Event},
    reader::Reader,
};

use super::{
    document::{Edit, place},
    url_rewriter::UrlRewriter,
};

/// The edits that lead the URLs under `urls` to the proxy: the identity in its other form.
pub(super) fn urls(text: &str, rewriter: &UrlRewriter) -> Option<Vec<Edit>> {
    let mut reader = Reader::from_str(text);
    let mut edits = Vec::new();
    let mut depth = 0_u32;
    // What follows a reference or a section of characters is the rest of a text.
    let mut is_beginning = false;
    loop {
        let event = reader.read_event().ok()?;
        let follows_tag = std::mem::replace(&mut is_beginning, matches!(event, Event::Start(_)));
        match event {
            Event::Start(tag) if depth > 0 || tag.local_name().into_inner() == "urls" => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(url) if depth > 0 && follows_tag => {
                let url = url.trim_start();
                let edit = edit(text, url, &rewriter.base, rewriter.instance(url));
                edits.extend(edit.filter(|edit| !goes_on(&text[edit.at.end..])));
            }
            Event::Eof => return Some(edits),
            _ => {}
        }
    }
}

/// The edits that lead the addresses of a WSDL to the proxy: `location` of `address`, whatever the
/// binding.
pub(super) fn addresses(text: &str, rewriter: &UrlRewriter) -> Option<Vec<Edit>> {
    let mut reader = Reader::from_str(text);
    let mut edits = Vec::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) => edits.extend(address(text, &tag, rewriter)),
            Event::Eof => return Some(edits),
            _ => {}
        }
    }
}

/// Returns whether the text before `rest` may go on there with a reference or a section of characters.
fn goes_on(rest: &str) -> bool {
    !rest.starts_with("</") && rest.starts_with(['<', '&']) || rest.is_empty()
}

fn address(text: &str, tag: &BytesStart, rewriter: &UrlRewriter) -> Option<Edit> {
    if tag.local_name().into_inner() != "address" {
        return None;
    }
    let url = tag.try_get_attribute("location").ok()??.value;
    edit(text, &url, &rewriter.base, rewriter.service(&url))
}

/// The edit that puts `base` in the place of the first `origin` bytes of `url`.
fn edit(text: &str, url: &str, base: &str, origin: Option<usize>) -> Option<Edit> {
    Some(Edit {
        at: place(text, &url[..origin?])?,
        text: escape(base).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::rewrite::tests::rewritten, *};

    #[test]
    fn urls_become_ours_and_no_other_byte_changes() {
        for (theirs, expected) in [
            (
                "<?xml version=\"1.0\"?>\n<user><id>https://acme.my.salesforce.com/id/1</id><urls><rest>https://acme.my.salesforce.com/services/data/v{version}/</rest><a>\n https://ACME.my.salesforce.com:443?a=1&amp;b</a><b/><c>https://acme.my.salesforce.com.evil.example/</c></urls><photo>https://acme.my.salesforce.com/p</photo></user>\n",
                "<?xml version=\"1.0\"?>\n<user><id>https://acme.my.salesforce.com/id/1</id><urls><rest>http://127.0.0.1:8080/services/data/v{version}/</rest><a>\n http://127.0.0.1:8080?a=1&amp;b</a><b/><c>https://acme.my.salesforce.com.evil.example/</c></urls><photo>https://acme.my.salesforce.com/p</photo></user>\n",
            ),
            (
                "\u{feff}<u:user xmlns:u='x'><u:urls>é<!-- https://acme.my.salesforce.com --><u:a>https://acme.my.salesforce.com</u:a></u:urls></u:user>",
                "\u{feff}<u:user xmlns:u='x'><u:urls>é<!-- https://acme.my.salesforce.com --><u:a>http://127.0.0.1:8080</u:a></u:urls></u:user>",
            ),
        ] {
            assert_eq!(rewritten(theirs, urls).as_deref(), Some(expected));
        }
        assert_eq!(rewritten("<user><urls></user>", urls), None);
        // The rest of a text begins no URL.
        for text in ["<![CDATA[a]]>", "&amp;"] {
            let text = format!("<urls><a>{text}https://acme.my.salesforce.com/</a></urls>");
            let kept = rewritten(&text, urls);
            assert!(kept.is_none_or(|kept| kept == text), "{text}");
        }
        // And where it goes on, a host may not be over.
        for text in [
            "&#46;evil.example/",
            "<![CDATA[.evil.example/]]>",
            "<!-- -->:8443/",
        ] {
            let text = format!("<urls><a>https://acme.my.salesforce.com{text}</a></urls>");
            assert_eq!(rewritten(&text, urls).as_ref(), Some(&text));
        }
    }

    #[test]
    fn addresses_become_ours_and_no_other_byte_changes() {
        for (theirs, expected) in [
            (
                "<service name=\"SforceService\">\r\n  <!-- <soap:address location=\"https://login.salesforce.com/services/Soap/u/62.0\"/> -->\r\n  <port><soap:address location=\"https://login.salesforce.com/services/Soap/u/62.0\"/></port></service>",
                "<service name=\"SforceService\">\r\n  <!-- <soap:address location=\"https://login.salesforce.com/services/Soap/u/62.0\"/> -->\r\n  <port><soap:address location=\"http://127.0.0.1:8080/services/Soap/u/62.0\"/></port></service>",
            ),
            (
                "<address\n id='é' location = 'https://ACME.my.salesforce.com/services/Soap/class/A?a&amp;b' ></address>",
                "<address\n id='é' location = 'http://127.0.0.1:8080/services/Soap/class/A?a&amp;b' ></address>",
            ),
            (
                "<d><a location=\"https://acme.my.salesforce.com/\"/><address at=\"https://acme.my.salesforce.com/\"/><address location=\"https://evil.example/services/Soap/u\"/><address location=\"https://acme.my.salesforce.com.evil.example/\"/></d>",
                "<d><a location=\"https://acme.my.salesforce.com/\"/><address at=\"https://acme.my.salesforce.com/\"/><address location=\"https://evil.example/services/Soap/u\"/><address location=\"https://acme.my.salesforce.com.evil.example/\"/></d>",
            ),
        ] {
            assert_eq!(rewritten(theirs, addresses).as_deref(), Some(expected));
        }
        assert_eq!(rewritten("<a></b>", addresses), None);
    }
}
