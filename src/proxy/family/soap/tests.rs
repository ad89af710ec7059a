use http::uri::Authority;
use test_case::test_case;
use tokio::time::Duration;

use super::{scan::span, *};

/// The bytes of `text` as they go out with the session `00D!x`.
fn spliced(text: &str, wsdl: Wsdl) -> String {
    let envelope = Envelope::read(text.as_bytes(), wsdl).unwrap();
    with_session(text, &envelope)
}

pub(super) fn with_session(text: &str, envelope: &Envelope) -> String {
    let session = Session::new(
        Authority::from_static("acme.my.salesforce.com"),
        "00D!x",
        crate::auth::Identity::default(),
        None,
        Duration::from_secs(1),
    );
    let Splice { at, text: ours } = envelope.splice(&session.unwrap());
    let ours = std::str::from_utf8(&ours).unwrap();
    let at = span(&at);
    [&text[..at.start], ours, &text[at.end..]].concat()
}

const OURS: &str = r#"<sessionId xmlns="urn:partner.soap.sforce.com">00D!x</sessionId>"#;
const HEADER: &str = r#"<SessionHeader xmlns="urn:partner.soap.sforce.com"><sessionId>00D!x</sessionId></SessionHeader>"#;

/// `@` stands for what is replaced, `#` for where the session goes in.
#[test_case("<e:Header><SessionHeader xmlns='urn:partner.soap.sforce.com'>@<sessionId>old</sessionId>@</SessionHeader></e:Header>", OURS; "a default namespace")]
#[test_case("<e:Header><u:SessionHeader>\n @<u:sessionId>old</u:sessionId>@\n</u:SessionHeader></e:Header>", OURS; "a prefix and space")]
#[test_case("<e:Header><u:SessionHeader>@<u:sessionId xsi:nil='true'/>@</u:SessionHeader></e:Header>", OURS; "an empty session")]
#[test_case("<e:Header><u:SessionHeader><!-- <sessionId>no</sessionId> -->@<u:sessionId><![CDATA[old]]></u:sessionId>@</u:SessionHeader></e:Header>", OURS; "CDATA and a comment")]
#[test_case("<e:Header><u:SessionHeader>@<u:sessionId>a&amp;b<!-- c --></u:sessionId>@</u:SessionHeader></e:Header>", OURS; "an entity and a comment within")]
#[test_case("<e:Header xmlns='urn:partner.soap.sforce.com'><SessionHeader>@<sessionId>old</sessionId>@</SessionHeader></e:Header>", OURS; "declared by the header")]
#[test_case("<e:Header><u:CallOptions><u:client>x</u:client></u:CallOptions><u:SessionHeader>@<u:sessionId>o</u:sessionId>@</u:SessionHeader></e:Header>", OURS; "after others")]
#[test_case("<e:Header><u:SessionHeader>@<sessionId xsi:type='xsd:string'>old</sessionId>@</u:SessionHeader></e:Header>", OURS; "a session in no namespace")]
#[test_case("<e:Header>@<u:SessionHeader/>@</e:Header>", HEADER; "an empty session header")]
#[test_case("<e:Header><u:SessionHeader>@@</u:SessionHeader></e:Header>", OURS; "a session header without session")]
#[test_case("<e:Header><u:SessionHeader a='b'>@@<u:c>d</u:c></u:SessionHeader></e:Header>", OURS; "a session header with something else")]
#[test_case("<e:Header>@@<u:CallOptions/></e:Header>", HEADER; "no session header")]
#[test_case("<e:Header>@@</e:Header>", HEADER; "nothing in the header")]
#[test_case("<e:Header@/>@", &[">", HEADER, "</e:Header>"].concat(); "an empty header")]
#[test_case("<e:Header a='b' @/>@", &[">", HEADER, "</e:Header>"].concat(); "an empty header with attributes")]
#[test_case("<e:Header a='Zürich'@/>@", &[">", HEADER, "</e:Header>"].concat(); "an empty header with letters beyond ASCII")]
#[test_case("@@", &["<e:Header>", HEADER, "</e:Header>"].concat(); "no header")]
fn the_session_goes_in(header: &str, ours: &str) {
    let text = |header: &str| {
        format!(
            "<?xml version=\"1.0\" encoding='UTF-8'?>\n<e:Envelope xmlns:e=\"{SOAP}\" \
             xmlns:u='urn:partner.soap.sforce.com'>{header}<e:Body><u:query>é \
             <sessionId>not me</sessionId></u:query></e:Body></e:Envelope>"
        )
    };
    let (before, rest) = header.split_once('@').unwrap();
    let (old, after) = rest.split_once('@').unwrap();
    let theirs = text(&[before, old, after].concat());
    let expected = text(&[before, ours, after].concat());
    assert_eq!(spliced(&theirs, Wsdl::Partner), expected);
    let marked = format!("\u{feff}{theirs}");
    assert_eq!(
        spliced(&marked, Wsdl::Partner),
        format!("\u{feff}{expected}")
    );
    // It does not matter where the text is cut, as long as nothing else is reported.
    let whole = Envelope::read(marked.as_bytes(), Wsdl::Partner).unwrap();
    for end in 0..marked.len() {
        match Envelope::read(&marked.as_bytes()[..end], Wsdl::Partner) {
            Err(Stop::Unfinished(_)) => {}
            Ok(envelope) => assert_eq!(envelope, whole),
            Err(stop) => panic!("{stop:?} of the first {end} bytes"),
        }
    }
}

const OPTIONS: &str =
    r#"<CallOptions xmlns="urn:partner.soap.sforce.com"><client>me</client></CallOptions>"#;
const CLIENT: &str = r#"<client xmlns="urn:partner.soap.sforce.com">me</client>"#;

/// In what is expected `OPTIONS` and so on stand for what goes in.
#[test_case("", "<e:Header>OPTIONSHEADER</e:Header>"; "no header")]
#[test_case("<e:Header/>", "<e:Header>OPTIONSHEADER</e:Header>"; "an empty header")]
#[test_case("<e:Header><u:x>é</u:x></e:Header>", "<e:Header>OPTIONSHEADER<u:x>é</u:x></e:Header>"; "neither")]
#[test_case("<e:Header><u:S/></e:Header>", "<e:Header>OPTIONSHEADER</e:Header>"; "no session")]
#[test_case("<e:Header><u:S a='é'> <u:i>x</u:i></u:S></e:Header>", "<e:Header>OPTIONS<u:S a='é'> SESSION</u:S></e:Header>"; "a session only")]
#[test_case("<e:Header><u:O><u:n>é</u:n></u:O>é<u:S><u:i>x</u:i></u:S></e:Header>", "<e:Header><u:O>CLIENT<u:n>é</u:n></u:O>é<u:S>SESSION</u:S></e:Header>"; "options without client before the session")]
#[test_case("<e:Header><u:S><u:i>x</u:i></u:S>é<u:O> <u:n>é</u:n></u:O></e:Header>", "<e:Header><u:S>SESSION</u:S>é<u:O>CLIENT <u:n>é</u:n></u:O></e:Header>"; "options without client after the session")]
#[test_case("<e:Header><u:O a='é' /><u:S><u:i>x</u:i></u:S></e:Header>", "<e:Header><u:O a='é' >CLIENT</u:O><u:S>SESSION</u:S></e:Header>"; "empty options")]
#[test_case("<e:Header><u:S><u:i>x</u:i></u:S><u:O/></e:Header>", "<e:Header><u:S>SESSION</u:S><u:O>CLIENT</u:O></e:Header>"; "empty options after the session")]
#[test_case("<e:Header><u:O><u:client>them</u:client></u:O><u:S><u:i>x</u:i></u:S></e:Header>", "<e:Header><u:O><u:client>them</u:client></u:O><u:S>SESSION</u:S></e:Header>"; "a client")]
#[test_case("<e:Header><u:O/><O><client>them</client></O></e:Header>", "<e:Header>HEADER<u:O/><O><client>them</client></O></e:Header>"; "a client in no namespace")]
#[test_case("<e:Header><O/></e:Header>", "<e:Header>OPTIONSHEADER<O/></e:Header>"; "options in no namespace")]
fn the_client_is_named_if_it_has_not_named_itself(header: &str, expected: &str) {
    let text = |header: &str| {
        let header = header
            .replace("OPTIONS", OPTIONS)
            .replace("HEADER", HEADER)
            .replace("SESSION", OURS)
            .replace("CLIENT", CLIENT)
            .replace("u:S", "u:SessionHeader")
            .replace("u:i>", "u:sessionId>")
            .replace("u:O", "u:CallOptions")
            .replace("<O", "<CallOptions")
            .replace("</O", "</CallOptions");
        format!(
            "<e:Envelope xmlns:e=\"{SOAP}\" xmlns:u='urn:partner.soap.sforce.com'>{header}\
             <e:Body><u:query/></e:Body></e:Envelope>"
        )
    };
    for mark in ["", "\u{feff}"] {
        let theirs = format!("{mark}{}", text(header));
        let mut envelope = Envelope::read(theirs.as_bytes(), Wsdl::Partner).unwrap();
        let namespace = Wsdl::Partner.namespace().unwrap();
        envelope.put_client(namespace, "me", theirs.as_bytes());
        let expected = format!("{mark}{}", text(expected));
        assert_eq!(with_session(&theirs, &envelope), expected);
    }
}

#[test]
fn without_prefix_and_for_a_class_of_its_own() {
    let theirs = format!(
        "<Envelope xmlns=\"{SOAP}\"><Body><run xmlns=\"http://soap.sforce.com/schemas/class/Acme\"/></Body></Envelope>"
    );
    let expected = theirs.replace(
        "<Body>",
        "<Header><SessionHeader xmlns=\"http://soap.sforce.com/schemas/class/Acme\"><sessionId>00D!x</sessionId></SessionHeader></Header><Body>",
    );
    assert_eq!(spliced(&theirs, Wsdl::Other), expected);
}

#[test]
fn what_is_asked_and_what_was_said() {
    let text = format!(
        "<se:Envelope xmlns:se='{SOAP}'><se:Header><SessionHeader xmlns='urn:enterprise.soap.sforce.com'>\
         <sessionId> <![CDATA[00D!old]]> </sessionId></SessionHeader></se:Header><se:Body> <!-- x -->\
         <n1:login xmlns:n1='urn:enterprise.soap.sforce.com'><n1:username>"
    );
    let envelope = Envelope::read(text.as_bytes(), Wsdl::Enterprise).unwrap();
    let operation = envelope.operation.unwrap();
    assert_eq!(operation.name, "login");
    assert_eq!(operation.namespace, "urn:enterprise.soap.sforce.com");
    assert_eq!(envelope.said, "00D!old");
    for old in ["00D&#33;old", "<![CDATA[00D]]>&#x21;old", "&#48;0D!old"] {
        let text = text.replace("<![CDATA[00D!old]]>", old);
        let envelope = Envelope::read(text.as_bytes(), Wsdl::Enterprise).unwrap();
        assert_eq!(envelope.said, "00D!old", "{old}");
    }
}

#[test_case("", "ends too early"; "nothing")]
#[test_case("not XML", "ends too early"; "no XML")]
#[test_case("<a/>", "not a SOAP 1.1 envelope"; "another document")]
#[test_case("<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'/>", "not a SOAP 1.1 envelope"; "SOAP 1 point 2")]
#[test_case("<Envelope/>", "not a SOAP 1.1 envelope"; "no namespace")]
#[test_case("<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "DOCTYPE"; "a document type")]
#[test_case("\u{feff}<!DOCTYPE x><x/>", "DOCTYPE"; "a document type after a mark")]
#[test_case("<\0E\0", "UTF-16"; "UTF-16 without mark")]
#[test_case("E></E>", "text before"; "text first")]
#[test_case("HEADER<S><i>a</i></S><S><i>b</i></S>", "more than one session"; "two headers")]
#[test_case("HEADER<S><i>a</i><i>b</i></S>", "more than one session"; "two sessions")]
#[test_case("HEADER<SessionHeader xmlns='urn:enterprise.soap.sforce.com'/>", "in the namespace \"urn:enterprise.soap.sforce.com\""; "another namespace")]
#[test_case("HEADER<SessionHeader/>", "in the namespace \"\""; "no namespace for the session")]
#[test_case("HEADER<u:SessionHeader><sessionId xmlns='urn:x'>a</sessionId></u:SessionHeader>", "sessionId is in the namespace \"urn:x\"; that of the SessionHeader around it is \"urn:partner.soap.sforce.com\""; "a session of another namespace")]
#[test_case("HEADER<u:SessionHeader><sessionId>a</sessionId><u:sessionId>b</u:sessionId></u:SessionHeader>", "more than one session"; "two sessions of which one is in no namespace")]
#[test_case("HEADER<u:a xmlns:v='urn:partner&#46;soap.sforce.com'/>", "a namespace of the envelope has"; "a namespace with a reference")]
#[test_case("HEADER<u:a xmlns:v='urn:a\"'/>", "a namespace of the envelope has"; "a namespace with a quotation mark")]
#[test_case("HEADER<u:a xmlns='urn:a>'/>", "a namespace of the envelope has"; "a namespace with an end of a tag")]
#[test_case("HEADER<u:a xmlns='urn:<a'/>", "has < in an attribute"; "a namespace with a tag")]
#[test_case("HEADER<u:a b='<u:SessionHeader>'/>", "has < in an attribute"; "an attribute with a tag")]
#[test_case("HEADER<S><i>&bomb;</i></S>", "unknown entity"; "an entity that nobody declares")]
#[test_case("HEADER<S><i>&#x110000;</i></S>", "not well-formed"; "a character that there is not")]
#[test_case("HEADER<é:a/>", "the name of an element"; "a prefix beyond ASCII")]
#[test_case("HEADER<u:ü/>", "the name of an element"; "a name beyond ASCII")]
#[test_case("<é:Envelope xmlns:é='http://schemas.xmlsoap.org/soap/envelope/'><é:Body/></é:Envelope>", "the name of an element"; "an envelope with a prefix beyond ASCII")]
#[test_case("HEADER<u:a xmlns:v='urn:é'/>", "a namespace of the envelope"; "a namespace beyond ASCII")]
#[test_case("HEADER<u:a>\u{1b}$B</u:a>", "control characters"; "an escape to another alphabet")]
#[test_case("HEADER</e:Header><e:Header>", "is not allowed in"; "two headers of the envelope")]
#[test_case("HEADER</e:Header><e:other/><e:Header>", "is not allowed in"; "something else in the envelope")]
#[test_case("<?xml version='1.0' encoding='ISO-2022-JP'?><x/>", "encoding"; "an encoding that is not like ASCII")]
#[test_case("<?xml version='1.1'?><x/>", "XML \"1.1\""; "another version")]
#[test_case("<?xml encoding='UTF-8' version='1.1'?><x/>", "version"; "a version that comes too late")]
#[test_case("x<x/>", "text before"; "text before it")]
#[test_case("<!-- a --> &#32;<x/>", "text before"; "a reference before it")]
#[test_case("<![CDATA[x]]><x/>", "text before"; "cdata before it")]
#[test_case("HEADER<u:a><u:b></u:a>", "expected"; "wrong nesting")]
#[test_case("HEADER<u:a", "expected"; "a broken tag")]
fn what_makes_no_sense_is_refused(text: &str, why: &str) {
    let text = match text.strip_prefix("HEADER") {
        Some(header) => format!(
            "<e:Envelope xmlns:e='{SOAP}' xmlns:u='urn:partner.soap.sforce.com'><e:Header>{}</e:Header><e:Body/></e:Envelope>",
            header
                .replace("S>", "u:SessionHeader>")
                .replace("</S", "</u:SessionHeader")
                .replace("i>", "u:sessionId>")
        ),
        None => text.to_owned(),
    };
    let error = match Envelope::read(text.as_bytes(), Wsdl::Partner) {
        Err(Stop::Refused(error)) => error.to_string(),
        Err(Stop::Unfinished(why)) => why,
        Ok(envelope) => panic!("{envelope:?}"),
    };
    assert!(error.contains(why), "{error}");
}

#[test]
fn many_elements_are_read_in_little_time() {
    let deep = "<a>".repeat(LONGEST_HEAD / 3);
    let text = format!("<e:Envelope xmlns:e='{SOAP}'><e:Header>{deep}");
    let start = std::time::Instant::now();
    assert!(matches!(
        Envelope::read(text.as_bytes(), Wsdl::Partner),
        Err(Stop::Unfinished(_))
    ));
    let names: String = (0..5000).map(|i| format!(" xmlns:n{i}='x'")).collect();
    let text = format!(
        "<e:Envelope xmlns:e='{SOAP}'{names}>{}",
        "<n1:a/>".repeat(2000)
    );
    let _ = Envelope::read(text.as_bytes(), Wsdl::Partner);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}
