//! Reports, which are pages: a program that exports one sends its session as a browser does.

use http::{HeaderValue, StatusCode, header};
use url::form_urlencoded;

use super::{Inner, answer::Answer, service::Call, session::Access};

impl Inner {
    /// `/00O…`, with `export=1` as a file.
    pub(super) fn report(&self, call: &Call) -> Answer {
        if call.access != Access::Live {
            return self.login_needed(call);
        }
        let query = call.head.uri.query().unwrap_or_default();
        let is_export = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "export");
        if is_export {
            Answer::text(
                StatusCode::OK,
                CSV,
                "\"Name\",\"Amount\"\n\"Acme\",\"1\"\n".to_owned(),
            )
        } else {
            let page =
                "<html><head><title>Report</title></head><body><h1>Report</h1></body></html>";
            Answer::text(StatusCode::OK, HTML, page.to_owned())
        }
    }

    /// Sends a browser to the login, which leads back afterwards.
    fn login_needed(&self, call: &Call) -> Answer {
        let target = call.head.uri.path_and_query().map_or("/", |it| it.as_str());
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("ec", "302")
            .append_pair("startURL", target)
            .finish();
        let location = format!("{}/?{query}", self.origin);
        if self.knobs().scripted_login {
            let page = format!(
                "<html>\n<head>\n<script>\nif (window.location.replace) {{\n\
                 window.location.replace('{location}');\n}} else {{\n\
                 window.location.href = '{location}';\n}}\n</script>\n</head>\n</html>\n"
            );
            return Answer::text(StatusCode::OK, HTML, page);
        }
        let answer = Answer::text(StatusCode::FOUND, HTML, String::new());
        match HeaderValue::try_from(location) {
            Ok(location) => answer.header(header::LOCATION, location),
            Err(_) => answer,
        }
    }
}

const CSV: &str = "text/csv; charset=UTF-8";

const HTML: &str = "text/html; charset=UTF-8";
