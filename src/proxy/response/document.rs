//! The few documents of the org whose URLs a client follows: [`crate::salesforce::facts::clients`].

use std::ops::Range;

use http::{HeaderMap, Method, Response, StatusCode, header};

use super::{json, url_rewriter::UrlRewriter, xml};
use crate::proxy::{
    family::Family,
    request::Head,
    target::{Api, Target},
};

/// One of them. Everything else of the org's has relative URLs, or none that are for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    /// The user: the URLs under `urls`.
    User(Syntax),
    /// The resources of a version of the REST API: `identity`.
    Resources,
    /// The description of a SOAP API: its address.
    Wsdl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Json,
    Xml,
}

/// A text that takes the place of some bytes.
pub(super) struct Edit {
    pub(super) at: Range<usize>,
    pub(super) text: String,
}

impl Document {
    /// The document that the response to `head` is, if it is one. This runs with every request, so
    /// it first asks for what most are not.
    pub(super) fn of<T>(head: &Head, response: &Response<T>) -> Option<Self> {
        let document = Self::asked(head.family(), head.path(), head.query())?;
        let may_be_posted = matches!(document, Self::User(_));
        let has_it = head.method() == Method::GET || may_be_posted && head.method() == Method::POST;
        if response.status() != StatusCode::OK || !has_it {
            return None;
        }
        match (document, syntax(response.headers())?) {
            (Self::User(_), syntax) => Some(Self::User(syntax)),
            (Self::Resources, Syntax::Json) | (Self::Wsdl, Syntax::Xml) => Some(document),
            _ => None,
        }
    }

    /// The document at `path`.
    fn asked(family: Family, path: &str, query: Option<&str>) -> Option<Self> {
        match family {
            Family::Identity => Some(Self::User(Syntax::Json)),
            Family::Rest => {
                let target = Target::parse(path.as_bytes());
                let is_resources = target.api == Api::Rest && target.is_whole;
                (is_resources && target.version.is_some()).then_some(Self::Resources)
            }
            Family::Soap(_) => query
                .is_some_and(|query| query.eq_ignore_ascii_case("wsdl"))
                .then_some(Self::Wsdl),
            Family::Page => (Target::parse(path.as_bytes()).api == Api::Wsdl).then_some(Self::Wsdl),
            Family::Bulk(_) | Family::Cometd | Family::OAuth | Family::PubSub => None,
        }
    }

    /// The edits that lead the URLs of `text` to the proxy. `None` if it cannot be read.
    pub(super) fn edits(self, text: &str, rewriter: &UrlRewriter) -> Option<Vec<Edit>> {
        match self {
            Self::User(Syntax::Json) => json::urls(text, rewriter),
            Self::User(Syntax::Xml) => xml::urls(text, rewriter),
            Self::Resources => json::identity(text, rewriter),
            Self::Wsdl => xml::addresses(text, rewriter),
        }
    }
}

fn syntax(headers: &HeaderMap) -> Option<Syntax> {
    let said = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (_, kind) = said.split(';').next()?.trim().split_once('/')?;
    let is = |word: &str| kind.eq_ignore_ascii_case(word);
    if is("json") {
        Some(Syntax::Json)
    } else if is("xml") || is("wsdl+xml") {
        Some(Syntax::Xml)
    } else {
        None
    }
}

/// The place of `part` in `whole`, which it was cut from.
pub(super) fn place(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let at = start..start + part.len();
    (whole.get(at.clone()) == Some(part)).then_some(at)
}

#[cfg(test)]
#[path = "../../../tests/fuzz/document.rs"]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_documents_by_path() {
        use Document::{Resources, User, Wsdl};

        for (target, expected) in [
            ("/services/oauth2/userinfo", Some(User(Syntax::Json))),
            ("/id/00D/005?format=xml", Some(User(Syntax::Json))),
            ("/services/data/v62.0", Some(Resources)),
            ("//Services/Data//V62.0/", Some(Resources)),
            ("/services/data/62.0", Some(Resources)),
            ("/site/services/data/v62.0", Some(Resources)),
            ("/services/wsdl/class/My_Class", Some(Wsdl)),
            ("//services/WSDL/tooling", Some(Wsdl)),
            ("/soap/wsdl.jsp?type=*", Some(Wsdl)),
            ("/services/Soap/class/My_Class?WSDL", Some(Wsdl)),
            ("/services/Soap/u/62.0", None),
            ("/services/Soap/u/62.0?wsdls", None),
            ("/services/data", None),
            ("/services/data/", None),
            ("/services/data/v62.0/limits", None),
            ("/services/data/v", None),
            ("/services/data/v62.0/sobjects/v1", None),
            ("/services/data/video", None),
            ("/services/apexrest/v1", None),
            ("/services/async/62.0/job", None),
            ("/cometd/62.0", None),
            ("/secur/frontdoor.jsp", None),
            ("/soap/ajax/62.0/connection.js", None),
            ("/", None),
        ] {
            let (parts, ()) = http::Request::get(target).body(()).unwrap().into_parts();
            let asked = Document::asked(Family::of(&parts), parts.uri.path(), parts.uri.query());
            assert_eq!(asked, expected, "{target}");
        }
    }

    #[test]
    fn knows_syntax_by_content_type() {
        for (said, expected) in [
            ("application/json", Some(Syntax::Json)),
            ("Application/JSON;charset=UTF-8", Some(Syntax::Json)),
            ("text/xml; charset=utf-8", Some(Syntax::Xml)),
            ("application/xml", Some(Syntax::Xml)),
            ("application/wsdl+xml", Some(Syntax::Xml)),
            ("text/html; charset=UTF-8", None),
            ("application/xhtml+xml", None),
            ("text/plain", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            assert_eq!(syntax(&headers), None);
            headers.insert(header::CONTENT_TYPE, said.parse().unwrap());
            assert_eq!(syntax(&headers), expected, "{said}");
        }
    }
}
