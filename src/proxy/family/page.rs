//! The way in which pages say that the session is dead: never by a 401, but by sending a browser to
//! log in.

use url::{Url, form_urlencoded};

/// Returns whether `url`, of a redirect or in a page, leads to where a browser logs in to come
/// back.
pub(super) fn is_login(url: &str) -> bool {
    // The host may be that of the instance, the org's own, or one where all log in.
    let Ok(base) = Url::parse("https://instance.invalid/") else {
        return false;
    };
    let Ok(url) = base.join(url.trim()) else {
        return false;
    };
    let page = url.path().trim_matches('/').rsplit('/').next();
    let is_entrance = page.is_some_and(|page| {
        let page = page.to_ascii_lowercase();
        matches!(page.as_str(), "" | "login" | "login.jsp")
    });
    let asks = |name: &str, value: &str| {
        name.eq_ignore_ascii_case("startURL") || name == "ec" && value.starts_with("30")
    };
    let mut query = form_urlencoded::parse(url.query().unwrap_or_default().as_bytes());
    is_entrance && query.any(|(name, value)| asks(&name, &value))
}

/// Returns whether a page that begins with `html` shows nothing, and leads a browser to where it
/// logs in: by its script, or by a `Refresh`.
///
/// A page that shows something may well have such a script for later.
pub(super) fn leads_to_login(html: &str) -> bool {
    let mut leads = false;
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let (text, tagged) = rest.split_at(start);
        if !text.trim().is_empty() {
            return false;
        }
        if let Some(comment) = tagged.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let (tag, after) = tagged.split_once('>').unwrap_or((tagged, ""));
        rest = after;
        let name = tag[1..].split([' ', '\t', '\r', '\n', '/']).next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        match name.as_str() {
            "script" => {
                let (script, after) = until(after, "</script");
                leads |= has_login(script);
                rest = after;
            }
            // They are not shown, or not in the page.
            "style" | "title" | "noscript" => rest = until(after, &format!("</{name}")).1,
            "meta" => leads |= refreshes_to_login(tag),
            "body" => leads |= has_login(tag),
            _ => {}
        }
    }
    leads && rest.trim().is_empty()
}

/// The text before `end`, in whatever case, and the text from there on.
fn until<'a>(text: &'a str, end: &str) -> (&'a str, &'a str) {
    // ASCII keeps its place.
    let at = text.to_ascii_lowercase().find(end).unwrap_or(text.len());
    text.split_at(at)
}

/// Returns whether a script has the browser go on to where it logs in: one of its strings is the
/// address.
fn has_login(script: &str) -> bool {
    if !(script.contains("location") || script.contains("handleRedirect")) {
        return false;
    }
    let script = plain(script);
    script.split(['\'', '"']).any(|string| {
        let is_url = string.starts_with('/') || string.starts_with("https://");
        is_url && is_login(string)
    })
}

/// Returns whether this `meta` tag is one of those with `content="0; URL=…"`.
fn refreshes_to_login(tag: &str) -> bool {
    let tag = plain(tag);
    let is_refresh = tag.to_ascii_lowercase().contains("refresh");
    let at = tag.to_ascii_lowercase().find("url=");
    is_refresh
        && at.is_some_and(|at| {
            let url = tag[at + "url=".len()..].trim_start_matches(['\'', '"', ' ']);
            is_login(url.split(['\'', '"', ' ']).next().unwrap_or_default())
        })
}

/// Replaces the escapes with which scripts and attributes write some characters.
fn plain(text: &str) -> String {
    text.replace("\\/", "/")
        .replace("\\u0026", "&")
        .replace("\\u003D", "=")
        .replace("\\u003d", "=")
        .replace("\\x26", "&")
        .replace("\\x3D", "=")
        .replace("&amp;", "&")
        .replace("&#39;", "'")
        .replace("&quot;", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_browsers_log_in() {
        for (url, expected) in [
            ("/?ec=302&startURL=%2F00O000000000001", true),
            ("https://acme.my.salesforce.com/?ec=302", true),
            (
                "https://acme.my.salesforce.com?startURL=%2F00O&ec=301",
                true,
            ),
            ("https://login.salesforce.com/?un=&startURL=%2Fa", true),
            ("/login?startURL=%2Fa", true),
            ("/s/login/?ec=302&startURL=%2Fa", true),
            ("/", false),
            ("/home/home.jsp", false),
            ("/apex/report?startURL=%2F00O", false),
            ("/login", false),
            (
                "https://acme.lightning.force.com/lightning/page/home",
                false,
            ),
            ("/?ec=404", false),
            ("", false),
        ] {
            assert_eq!(is_login(url), expected, "{url}");
        }
    }

    #[test]
    fn tells_a_page_that_leads_to_the_login_from_others() {
        let login = "https://acme.my.salesforce.com/?ec=302&startURL=%2F00O";
        for (html, expected) in [
            (
                format!(
                    "<html><head><script>window.location.replace('{login}');</script></head></html>"
                ),
                true,
            ),
            (
                format!(
                    "<SCRIPT type=\"text/javascript\">\n<!--\nif (x) {{ window.location.href=\"{login}\" }}\n//-->\n</SCRIPT>"
                ),
                true,
            ),
            (
                format!(
                    "<script>this.SfdcApp && SfdcApp.projectOneNavigator.handleRedirect('{login}');</script><body></body>"
                ),
                true,
            ),
            (
                "<script>window.location='\\/?ec=302\\u0026startURL=%2F00O';</script>".to_owned(),
                true,
            ),
            (
                "<meta http-equiv=\"Refresh\" content=\"0; URL=/?ec=302&amp;startURL=%2F00O\">"
                    .to_owned(),
                true,
            ),
            (
                format!("<META CONTENT='0;url={login}' HTTP-EQUIV='refresh'>"),
                true,
            ),
            (
                format!("<body onload=\"window.location='{login}'\"></body>"),
                true,
            ),
            (
                format!(
                    "<!DOCTYPE html><title>Redirecting</title><noscript>Log in</noscript><script>location='{login}'</script>"
                ),
                true,
            ),
            // Others.
            (
                format!("<p>Go on: <script>window.location.replace('{login}')</script></p>"),
                false,
            ),
            (
                format!(
                    "<script>var timeout = function() {{ window.location='{login}' }}</script><h1>Report</h1>"
                ),
                false,
            ),
            (
                format!("<!-- <script>window.location='{login}'</script> -->"),
                false,
            ),
            (
                format!("<pre>&lt;script&gt;window.location='{login}'&lt;/script&gt;</pre>"),
                false,
            ),
            (format!("<a href='{login}'>Log in</a>"), false),
            (format!("<script>var login = '{login}';</script>"), false),
            (
                "<script>window.location='/home/home.jsp'</script>".to_owned(),
                false,
            ),
            ("<meta http-equiv=refresh content='300'>".to_owned(), false),
            ("Name,Amount\n\"<script>\",1".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(leads_to_login(&html), expected, "{html}");
        }
    }
}
