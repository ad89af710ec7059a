//! `[traces]`: where spans of requests go, and of which. What the file does not say, the standard
//! variables of OpenTelemetry may.

use std::{env, path::Path};

use http::{HeaderName, HeaderValue, header};
use percent_encoding::percent_decode_str;
use rustls_pki_types::CertificateDer;
use url::Url;

#[cfg(feature = "demo")]
use super::overrides::{Overrides, Scope};
use super::{
    ca,
    document::Value,
    given,
    problem::{Origin, Problems},
    reference,
    section::Section,
    value,
};

/// The export of spans to a collector, by OTLP over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// Where they are posted.
    pub endpoint: Url,
    /// Sent with each post. They may hold a secret.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The name of this service.
    pub service_name: String,
    /// Further attributes of this service.
    pub resource: Vec<(String, String)>,
    /// Which requests have spans.
    pub sampling: Sampling,
    /// Certificate authorities trusted besides the system's.
    pub ca: Vec<CertificateDer<'static>>,
}

/// The choice of the requests that have spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The share of traces, from 0 to 1.
    pub ratio: f64,
    /// If true, the client's choice counts for a trace that it has begun.
    pub follows_parent: bool,
}

impl Traces {
    /// All spans to `endpoint`, with every default.
    pub fn to(endpoint: Url) -> Self {
        Self {
            endpoint,
            headers: Vec::new(),
            service_name: "orgproxy".to_owned(),
            resource: Vec::new(),
            sampling: Sampling::default(),
            ca: Vec::new(),
        }
    }

    /// Reads nothing but variables.
    ///
    /// # Errors
    /// Each variable that cannot be used, and why.
    #[cfg(feature = "demo")]
    pub(crate) fn from_env() -> Result<Option<Self>, super::ConfigError> {
        let problems = Problems::new("");
        let own = Section::new(Overrides::variables(Scope::Traces), &problems);
        let traces = read(own, Path::new(""), &problems);
        problems.into_result(Some(traces))
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            ratio: 1.0,
            follows_parent: true,
        }
    }
}

/// Reads `[traces]`, and the standard variables for what it does not say.
pub(super) fn read(section: Section<'_>, folder: &Path, problems: &Problems) -> Option<Traces> {
    let get = |name: &str| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let standard = Standard {
        get: &get,
        problems,
    };
    read_with(section, folder, &standard)
}

fn read_with(mut section: Section<'_>, folder: &Path, standard: &Standard<'_>) -> Option<Traces> {
    let is_given = section.get("endpoint").is_some();
    let endpoint = section.read("endpoint", |url| own_endpoint(value::text(url)?));
    let ratio = section.read("sample", value::fraction);
    let name = section.read("service_name", |name| match value::text(name)?.trim() {
        "" => Err("must not be empty".to_owned()),
        name => Ok(name.to_owned()),
    });
    let headers = reference::text_line(&mut section, "headers", folder, headers);
    let are_headers_given = section.get("headers").is_some();
    let ca = section.read("ca_file", |path| {
        ca::read(&value::file(path, folder)?, ca::Signed::Servers)
    });
    section.finish();

    let endpoint = if is_given {
        endpoint.flatten()
    } else {
        standard.endpoint()
    };
    let endpoint = endpoint?;
    let is_another = is_given && standard.names_another(&endpoint);
    let mut traces = Traces::to(endpoint);
    traces.resource = standard
        .read(&["OTEL_RESOURCE_ATTRIBUTES"], pairs)
        .unwrap_or_default();
    let of_resource = |name: &str| {
        let mut pairs = traces.resource.iter();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    if let Some(name) = name
        .or_else(|| standard.read(&["OTEL_SERVICE_NAME"], |name| Ok(name.to_owned())))
        .or_else(|| of_resource("service.name"))
    {
        traces.service_name = name;
    }
    traces.headers = if are_headers_given {
        headers.unwrap_or_default()
    } else if is_another {
        // They may hold a secret, which is for that one.
        Vec::new()
    } else {
        let given = standard.read(&HEADER_VARIABLES, self::headers);
        given.unwrap_or_default()
    };
    traces.sampling = match ratio {
        Some(ratio) => Sampling {
            ratio,
            ..Sampling::default()
        },
        None => standard.sampling(),
    };
    traces.ca = ca.unwrap_or_default();
    Some(traces)
}

/// The variables that all programs with OpenTelemetry read.
struct Standard<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    problems: &'a Problems,
}

impl Standard<'_> {
    /// The first of these variables that is set, if it can be used.
    fn read<T>(
        &self,
        names: &[&'static str],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (name, text) = names
            .iter()
            .find_map(|name| Some((*name, self.get(name)?)))?;
        let report = |mistake| self.problems.add(Origin::Variable(name), name, mistake);
        parse(&text).map_err(report).ok()
    }

    /// The value of a variable. An empty one counts as unset.
    fn get(&self, name: &str) -> Option<String> {
        let value = (self.get)(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    }

    /// Where they send spans. To a build that sends none they say nothing, since they are for other
    /// programs, too.
    fn endpoint(&self) -> Option<Url> {
        let is_disabled = self
            .get("OTEL_SDK_DISABLED")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        // Any other exporter than that of OTLP is for other programs.
        let is_off = is_disabled
            || self.get("OTEL_TRACES_EXPORTER").is_some_and(|names| {
                let mut names = names.split(',').map(str::trim);
                !names.any(|name| name.eq_ignore_ascii_case("otlp"))
            });
        if is_off || !cfg!(feature = "otlp") {
            return None;
        }
        let [own, base] = ENDPOINTS;
        let endpoint = match self.get(own) {
            Some(_) => self.read(&[own], parse),
            None => self.read(&[base], |text| parse(text).map(below)),
        }?;
        let protocols = [
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ];
        self.read(&protocols, |protocol| match protocol {
            PROTOCOL => Ok(()),
            other => Err(format!(
                "{} is not spoken here; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL={PROTOCOL} (usually \
                 at port 4318), or switch traces off by ORGPROXY_TRACES_ENDPOINT=off",
                given::shown(other)
            )),
        });
        Some(endpoint)
    }

    /// Returns whether they name a collector, and not that at `endpoint`.
    fn names_another(&self, endpoint: &Url) -> bool {
        let named = ENDPOINTS.iter().find_map(|name| self.get(name));
        named.is_some_and(|named| {
            Url::parse(&named).map_or(true, |named| named.origin() != endpoint.origin())
        })
    }

    fn sampling(&self) -> Sampling {
        let ratio = || {
            let ratio = self.read(&["OTEL_TRACES_SAMPLER_ARG"], |text| {
                value::fraction(&Value::Raw(text.to_owned()))
            });
            ratio.unwrap_or(1.0)
        };
        let sampling = self.read(&["OTEL_TRACES_SAMPLER"], |name| {
            let (follows_parent, kind) = match name.strip_prefix("parentbased_") {
                Some(kind) => (true, kind),
                None => (false, name),
            };
            let ratio = match kind {
                "always_on" => 1.0,
                "always_off" => 0.0,
                "traceidratio" => ratio(),
                _ => {
                    return Err(format!(
                        "{} is not supported; use {SAMPLERS}",
                        given::shown(name)
                    ));
                }
            };
            Ok(Sampling {
                ratio,
                follows_parent,
            })
        });
        sampling.unwrap_or_default()
    }
}

/// The setting of the file, which switches off as well.
fn own_endpoint(text: &str) -> Result<Option<Url>, String> {
    if text == "off" {
        return Ok(None);
    }
    let url = parse(text)?;
    if cfg!(feature = "otlp") {
        Ok(Some(below(url)))
    } else {
        Err(
            "this build of orgproxy sends no traces; remove it, or build orgproxy with the cargo \
             feature otlp"
                .to_owned(),
        )
    }
}

fn parse(text: &str) -> Result<Url, String> {
    let example = "write one such as \"http://127.0.0.1:4318\"";
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.ok_or_else(|| {
        let text = given::shown(text);
        format!("{text} is not the URL of a collector; {example}")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user or password; use headers".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "must have neither a query nor a fragment; {example}"
        ));
    }
    Ok(url)
}

/// The place for traces of a collector at `base`, which may be that place already.
fn below(mut base: Url) -> Url {
    let path = base.path().trim_end_matches('/');
    if !path.ends_with(PATH) {
        let path = format!("{path}{PATH}");
        base.set_path(&path);
    }
    base
}

/// Headers as `name=value,name=value`, percent-encoded. No message shows any of it.
fn headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut headers = Vec::new();
    for (number, (name, value)) in (1..).zip(pairs(text)?) {
        let mistake = |what: &str| format!("the {what} of header {number} is invalid");
        let name = HeaderName::try_from(name).map_err(|_| mistake("name"))?;
        if OWN.contains(&name) {
            return Err(format!("{name} is set by orgproxy itself; remove it"));
        }
        let mut value = HeaderValue::try_from(value).map_err(|_| mistake("value"))?;
        value.set_sensitive(true);
        headers.push((name, value));
    }
    Ok(headers)
}

/// Names and values as `name=value,name=value`, percent-encoded.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let pair = |(number, item): (usize, &str)| {
        let mistake = || format!("item {number} is not NAME=VALUE, percent-encoded");
        let (name, value) = item.split_once('=').ok_or_else(mistake)?;
        let decode = |text: &str| {
            let text = percent_decode_str(text.trim()).decode_utf8();
            text.map(|text| text.into_owned()).map_err(|_| mistake())
        };
        match decode(name)? {
            name if name.is_empty() => Err(mistake()),
            name => Ok((name, decode(value)?)),
        }
    };
    (1..).zip(items).map(pair).collect()
}

/// Where collectors take traces.
const PATH: &str = "/v1/traces";

/// The variables that name a collector, the one for traces alone coming first.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// The variables with header lines for a collector, which may hold a secret.
pub(crate) const HEADER_VARIABLES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
];

/// OTLP in the only form that is sent.
const PROTOCOL: &str = "http/protobuf";

const SAMPLERS: &str = "parentbased_always_on, parentbased_always_off, parentbased_traceidratio, \
    always_on, always_off or traceidratio";

/// Headers that follow from the program, the body and the connection.
const OWN: [HeaderName; 12] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
];

#[cfg(test)]
#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_that_sends_none_says_so() {
    let error = own_endpoint("http://127.0.0.1:4318").unwrap_err();
    assert!(
        error.contains("sends no traces") && error.contains("feature otlp"),
        "{error}"
    );
    assert_eq!(own_endpoint("off"), Ok(None));
}

#[cfg(test)]
#[cfg(feature = "otlp")]
mod tests {
    use test_case::test_case;

    use super::{super::document::Table, *};

    fn from(variables: &[(&str, &str)], entries: Table) -> Result<Option<Traces>, String> {
        let problems = Problems::new("proxy.toml");
        let get = |name: &str| {
            let mut variables = variables.iter();
            let found = variables.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let standard = Standard {
            get: &get,
            problems: &problems,
        };
        let section = Section::new(entries, &problems);
        let traces = read_with(section, Path::new(""), &standard);
        let traces = problems.into_result(Some(traces));
        traces.map_err(|error| error.to_string())
    }

    fn from_env(variables: &[(&str, &str)]) -> Result<Option<Traces>, String> {
        from(variables, Table::new())
    }

    fn file(text: &str) -> Table {
        super::super::document::parse(text, &Problems::new("")).unwrap()
    }

    #[test_case("http://127.0.0.1:4318", Ok("http://127.0.0.1:4318/v1/traces"))]
    #[test_case("https://otel.example.com/", Ok("https://otel.example.com/v1/traces"))]
    #[test_case("http://[::1]:4318/a/", Ok("http://[::1]:4318/a/v1/traces"))]
    #[test_case("http://a:1/v1/traces", Ok("http://a:1/v1/traces"))]
    #[test_case("127.0.0.1:4318", Err("is not the URL of a collector"))]
    #[test_case("grpc://a:4317", Err("is not the URL of a collector"))]
    #[test_case("http://user:horse@a", Err("must not have a user or password"))]
    #[test_case("http://a/?key=horse", Err("neither a query nor a fragment"))]
    fn the_endpoint_is_that_of_a_collector(text: &str, expected: Result<&str, &str>) {
        match (own_endpoint(text), expected) {
            (Ok(Some(url)), Ok(expected)) => assert_eq!(url.as_str(), expected),
            (Err(error), Err(expected)) => {
                assert!(
                    error.contains(expected) && !error.contains("horse"),
                    "{error}"
                );
            }
            (other, _) => panic!("{other:?}"),
        }
    }

    /// They may hold a secret, which is for one collector.
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318")], true; "the same")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:4318/x")], true; "another path of it")]
    #[test_case(&[], true; "none")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://b:4318")], false; "another")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1")], false; "another port")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a:4318")], false; "by tls")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "what")], false; "no url")]
    fn headers_go_to_the_collector_that_they_are_for(named: &[(&str, &str)], do_go: bool) {
        let variables = [named, &[("OTEL_EXPORTER_OTLP_HEADERS", "a=1")]].concat();
        let traces = from(&variables, file("endpoint = \"http://a:4318\""));
        assert_eq!(traces.unwrap().unwrap().headers.len(), usize::from(do_go));
    }

    #[test]
    fn the_standard_variables_count_where_the_file_says_nothing() {
        assert!(from_env(&[]).unwrap().is_none());
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318");
        let traces = from_env(&[base]).unwrap().unwrap();
        assert_eq!(traces.endpoint.as_str(), "http://a:4318/v1/traces");
        assert_eq!(traces.service_name, "orgproxy");
        assert_eq!(traces.sampling, Sampling::default());

        let traces = from_env(&[
            base,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b:1/as-it-is"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
            (
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
                "authorization=Basic%20eA==, b=2",
            ),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_SERVICE_NAME", "mine"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=x,deployment.environment=a%2Cb",
            ),
        ]);
        let traces = traces.unwrap().unwrap();
        assert_eq!(traces.endpoint.as_str(), "http://b:1/as-it-is");
        let [(name, value), (other, _)] = &traces.headers[..] else {
            panic!("{:?}", traces.headers)
        };
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("authorization", &b"Basic eA=="[..])
        );
        assert_eq!(other, "b");
        assert_eq!(traces.service_name, "mine");
        assert_eq!(
            traces.resource[1],
            ("deployment.environment".to_owned(), "a,b".to_owned())
        );
        assert!(!format!("{traces:?}").contains("Basic"));

        let own = "endpoint = \"http://c:1\"\nservice_name = \"here\"\nsample = 0.5";
        let traces = from(&[base, ("OTEL_SERVICE_NAME", "mine")], file(own));
        let traces = traces.unwrap().unwrap();
        assert_eq!(traces.endpoint.as_str(), "http://c:1/v1/traces");
        assert_eq!(traces.service_name, "here");
        assert_eq!(traces.sampling.ratio, 0.5);
    }

    #[test_case(&[("OTEL_SDK_DISABLED", "true")], ""; "all of it")]
    #[test_case(&[("OTEL_TRACES_EXPORTER", "none")], ""; "traces")]
    #[test_case(&[("OTEL_TRACES_EXPORTER", "console, zipkin")], ""; "traces of this kind")]
    #[test_case(&[], "endpoint = \"off\""; "in the file")]
    fn what_the_variables_switch_on_can_be_switched_off(off: &[(&str, &str)], text: &str) {
        let on = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318");
        let variables = [&[on], off].concat();
        assert!(from(&variables, file(text)).unwrap().is_none());
    }

    #[test]
    fn the_exporter_of_otlp_may_be_one_of_several() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"),
            ("OTEL_TRACES_EXPORTER", "console,otlp"),
        ];
        assert!(from_env(&variables).unwrap().is_some());
    }

    #[test_case("always_on", None, 1.0, false)]
    #[test_case("always_off", None, 0.0, false)]
    #[test_case("traceidratio", Some("0.25"), 0.25, false)]
    #[test_case("parentbased_always_on", None, 1.0, true)]
    #[test_case("parentbased_always_off", None, 0.0, true)]
    #[test_case("parentbased_traceidratio", Some("0.125"), 0.125, true)]
    #[test_case("parentbased_traceidratio", None, 1.0, true; "without a ratio")]
    fn samplers_are_known_by_their_names(
        sampler: &str,
        argument: Option<&str>,
        ratio: f64,
        follows_parent: bool,
    ) {
        let traces = from_env(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318"),
            ("OTEL_TRACES_SAMPLER", sampler),
            ("OTEL_TRACES_SAMPLER_ARG", argument.unwrap_or_default()),
        ]);
        let expected = Sampling {
            ratio,
            follows_parent,
        };
        assert_eq!(traces.unwrap().unwrap().sampling, expected);
    }

    #[test_case(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "a:4318",
        "is not the URL of a collector"
    )]
    #[test_case("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "\"grpc\" is not spoken here")]
    #[test_case("OTEL_EXPORTER_OTLP_HEADERS", "a=1,horse", "item 2 is not NAME=VALUE")]
    #[test_case(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "a b=horse",
        "the name of header 1 is invalid"
    )]
    #[test_case(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "a=horse%0A",
        "the value of header 1 is invalid"
    )]
    #[test_case(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "host=horse",
        "host is set by orgproxy itself"
    )]
    #[test_case(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "Content-Encoding=horse",
        "content-encoding is set by orgproxy itself"
    )]
    #[test_case(
        "OTEL_TRACES_SAMPLER",
        "jaeger_remote",
        "is not supported; use parentbased_always_on"
    )]
    fn a_variable_that_cannot_be_used_is_named_and_not_shown(
        name: &str,
        value: &str,
        expected: &str,
    ) {
        let on = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a:4318");
        let on = (name != "OTEL_EXPORTER_OTLP_ENDPOINT").then_some(on);
        let variables: Vec<_> = on.into_iter().chain([(name, value)]).collect();
        let error = from_env(&variables).unwrap_err();
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
        assert!(
            error.contains(expected) && !error.contains("horse"),
            "{error}"
        );
    }
}
