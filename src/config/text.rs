//! Strings with a meaning, each in the one form that is compared later.

use url::Url;

use super::{
    document::Value,
    given::{shown, word},
    value,
};

/// One word: not empty, without white space. `example` is the placeholder in the example file.
pub(super) fn token(value: &Value, example: &str) -> Result<String, String> {
    let text = value::text(value)?;
    if text.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if text == example {
        return Err("still the example's value; put your own here".to_owned());
    }
    // A key in its place would be printed wherever the name is.
    let length = text.chars().count();
    if length > LONGEST {
        return Err(format!(
            "must have at most {LONGEST} characters, but has {length}"
        ));
    }
    if let Some(odd) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!(
            "must not contain white space or control characters, but has {odd:?}"
        ));
    }
    Ok(text.to_owned())
}

/// Returns whether it can be the name of an org.
pub(super) fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !text.is_empty() && text.chars().all(is_letter)
}

/// A name that clients send in `Host`, such as `acme.localhost`.
pub(super) fn host(value: &Value) -> Result<String, String> {
    let text = value::text(value)?;
    if is_host(text) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{} is not a bare name in lower case; write one such as \"acme.localhost\", without \
             scheme or port",
            shown(text)
        ))
    }
}

/// A host that the session may be sent to: `host` or `host:port`.
pub(super) fn trusted_host(value: &Value) -> Result<String, String> {
    let text = value::text(value)?;
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_ip_v6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
    // In the form that is compared later: not +443 or 0443.
    let is_port = port.is_none_or(|text| {
        text.parse()
            .is_ok_and(|port: u16| port > 0 && port.to_string() == text)
    });
    if (is_host(host) || is_ip_v6) && is_port {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "{} is not a host; write one such as \"gateway.example.com\" or \
             \"gateway.example.com:8443\", in lower case, without scheme or wildcard",
            shown(text)
        ))
    }
}

/// A web origin exactly as browsers send it (RFC 6454 section 6.2), because no other form can
/// match.
pub(super) fn origin(value: &Value) -> Result<String, String> {
    let text = value::text(value)?;
    let url = Url::parse(text).ok();
    let canonical = url.as_ref().and_then(|url| {
        let host = url.host_str().filter(|host| !host.is_empty())?;
        let port = url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        Some(format!("{}://{host}{port}", url.scheme()))
    });
    let scheme = url.as_ref().map_or("", Url::scheme);
    if text.eq_ignore_ascii_case("null") || ORIGINLESS.contains(&scheme) {
        return Err(format!(
            "{} cannot be allowed: pages from files, from data: URLs and in sandboxed frames have \
             the origin \"null\", and every page can get it; serve the page over HTTP and write its \
             origin, such as \"http://localhost:5173\"",
            shown(text)
        ));
    }
    if text.contains('*') {
        return Err(format!(
            "{} is not an origin: there are no wildcards; write each one, such as \
             \"http://localhost:5173\"",
            shown(text)
        ));
    }
    match canonical {
        Some(canonical) if WEBSOCKET.contains(&scheme) => Err(format!(
            "{} is never the origin of a page; write \"{}\"",
            shown(text),
            word(&canonical.replacen("ws", "http", 1))
        )),
        Some(canonical) if canonical == text => Ok(canonical),
        Some(canonical) => Err(format!(
            "{} is not an origin; write \"{}\"",
            shown(text),
            word(&canonical)
        )),
        None => Err(format!(
            "{} is not an origin; write each one, such as \"http://localhost:5173\"",
            shown(text)
        )),
    }
}

/// Schemes whose pages have the origin `null` (HTML standard, origin).
const ORIGINLESS: [&str; 6] = ["about", "blob", "data", "file", "ftp", "javascript"];

const WEBSOCKET: [&str; 2] = ["ws", "wss"];

/// A path to allow, in lower case and without trailing slash, because paths are compared in that
/// form.
pub(super) fn path(value: &Value) -> Result<String, String> {
    let text = value::text(value)?;
    let path = text.trim_end_matches('/').to_ascii_lowercase();
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "?#*%\\".contains(c);
    let is_plain = !path.contains(is_odd) && !path.split('/').any(|part| part == "..");
    if path.starts_with('/') && is_plain {
        Ok(path)
    } else {
        Err(format!(
            "{} is not a path; write one such as \"/services/data/v60.0/tooling\", without query \
             or wildcard",
            shown(text)
        ))
    }
}

/// Characters of a consumer key, a user, a URL or a variable.
const LONGEST: usize = 512;

fn is_host(text: &str) -> bool {
    let is_letter = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    text.split('.')
        .all(|label| !label.is_empty() && label.chars().all(is_letter))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("acme.localhost" => true)]
    #[test_case("acme" => true)]
    #[test_case("" => false; "empty")]
    #[test_case("Acme.localhost" => false)]
    #[test_case("acme.localhost:8080" => false)]
    #[test_case("http://acme.localhost" => false)]
    #[test_case("acme.localhost." => false; "trailing dot")]
    #[test_case("acme..localhost" => false; "empty label")]
    #[test_case("../acme" => false)]
    #[test_case("*.localhost" => false)]
    fn a_host(host: &str) -> bool {
        super::host(&text(host)).is_ok()
    }

    #[test_case("gateway.corp" => true)]
    #[test_case("gateway.corp:8443" => true)]
    #[test_case("10.0.0.1:8443" => true)]
    #[test_case("[::1]" => true)]
    #[test_case("[::1]:8443" => true)]
    #[test_case("::1" => false)]
    #[test_case("gateway.corp:" => false; "no port")]
    #[test_case("gateway.corp:0" => false)]
    #[test_case("gateway.corp:99999" => false)]
    #[test_case("gateway.corp:+443" => false; "a sign")]
    #[test_case("gateway.corp:0443" => false; "a zero before it")]
    #[test_case("https://gateway.corp" => false)]
    #[test_case("*.corp" => false)]
    #[test_case("GATEWAY.corp" => false)]
    fn a_trusted_host(host: &str) -> bool {
        trusted_host(&text(host)).is_ok()
    }

    #[test_case("http://localhost:5173" => true)]
    #[test_case("https://app.example.com" => true)]
    #[test_case("chrome-extension://abcdef" => true)]
    #[test_case("https://app.example.com/" => false; "slash")]
    #[test_case("https://app.example.com:443" => false; "default port")]
    #[test_case("https://App.example.com" => false)]
    #[test_case("app.example.com" => false)]
    #[test_case("*" => false; "star")]
    #[test_case("null" => false)]
    #[test_case("http://localhost:80" => false; "default port of http")]
    #[test_case("http://*.example.com" => false)]
    #[test_case("http://localhost:*" => false; "any port")]
    #[test_case("file:///home/me/page.html" => false; "a file")]
    #[test_case("file://" => false; "files")]
    #[test_case("ws://localhost:5173" => false)]
    #[test_case("http://me@localhost:5173" => false; "user")]
    #[test_case("http://127.1:5173" => false)]
    #[test_case("http://localhost:5173?x" => false; "query")]
    #[test_case(" http://localhost:5173" => false; "blank")]
    #[test_case("http://bücher.example" => false)]
    #[test_case("http://[::1]:5173" => true)]
    fn an_origin(origin: &str) -> bool {
        super::origin(&text(origin)).is_ok()
    }

    #[test_case("/services/Apexrest/" => Some("/services/apexrest".to_owned()))]
    #[test_case("/" => None; "all")]
    #[test_case("services" => None)]
    #[test_case("/a/../b" => None)]
    #[test_case("/a?b" => None)]
    #[test_case("/a/*" => None)]
    fn a_path(path: &str) -> Option<String> {
        super::path(&text(path)).ok()
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}
