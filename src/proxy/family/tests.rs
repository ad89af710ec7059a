use http::{Request, uri::Authority};
use tokio::time::Duration;

use super::{Family::*, *};

fn family(path: &str, content_type: &str) -> Family {
    let request = Request::get(path)
        .header(header::CONTENT_TYPE, content_type)
        .body(())
        .unwrap();
    Family::of(&request.into_parts().0)
}

fn session(token: &str) -> Session {
    Session::new(
        Authority::from_static("acme.my.salesforce.com"),
        token,
        crate::auth::Identity::default(),
        None,
        Duration::from_secs(7200),
    )
    .unwrap()
}

fn response(status: u16) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    let kind = HeaderValue::from_static(JSON);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[test]
fn knows_families_by_path() {
    for (path, expected) in [
        ("/services/data/v62.0/query", Rest),
        ("//services/data/v62.0/", Rest),
        ("/services/data/v62.0/jobs/ingest", Rest),
        ("/services/apexrest/soap/u", Rest),
        ("/customers/services/apexrest/x", Rest),
        ("/services/oauth2/token", OAuth),
        ("//services/OAuth2/Introspect/", OAuth),
        ("/services/oauth2/revoke", Rest),
        ("/", Rest),
        ("/services/oauth2/userinfo", Identity),
        ("//Services/OAuth2/UserInfo/", Identity),
        ("/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS", Identity),
        ("/services/Soap/u/62.0", Soap(Wsdl::Partner)),
        ("//services/Soap/u/64.0/", Soap(Wsdl::Partner)),
        (
            "/services/soap/c/62.0/00D000000000000",
            Soap(Wsdl::Enterprise),
        ),
        ("/services/Soap/m/62.0", Soap(Wsdl::Metadata)),
        ("/services/Soap/T/62.0", Soap(Wsdl::Tooling)),
        ("/services/Soap/s/62.0", Soap(Wsdl::Apex)),
        ("/services/Soap/class/Acme", Soap(Wsdl::Other)),
        ("/services/Soap", Soap(Wsdl::Other)),
        ("/services/Soap/u/v62.0", Soap(Wsdl::Partner)),
        ("/services/Soap/T/V62.0/", Soap(Wsdl::Tooling)),
        ("/services/async/62.0/job", Bulk(Format::Xml)),
        ("/services/async/v62.0/job", Bulk(Format::Xml)),
        ("/cometd/V62.0", Cometd),
        ("/%73ervices/async/62.0/job", Bulk(Format::Xml)),
        ("/services;x/async/62.0/job", Bulk(Format::Xml)),
        ("/cometd/62.0", Cometd),
        ("/cometd/replay/36.0/handshake", Cometd),
        ("/id/services/data/v62.0/sobjects/Contact", Rest),
        ("/cometd/services/data/v62.0/sobjects/Contact", Rest),
        ("/identity", Page),
        ("/soap/wsdl.jsp", Page),
        ("/services/wsdl/class/Acme", Page),
        ("/sfc/servlet.shepherd/version/download/068", Page),
    ] {
        assert_eq!(family(path, ""), expected, "{path}");
    }
    let json = family(
        "/services/async/62.0/job",
        "Application/JSON; charset=UTF-8",
    );
    assert_eq!(json, Bulk(Format::Json));
}

#[test]
fn tells_a_dead_session_from_what_looks_like_it() {
    use Verdict::{Dead, DeadAtLast, Moved, Sound};

    let json = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
    let xml = "<?xml version='1.0'?><Errors><Error><errorCode> INVALID_SESSION_ID\n</errorCode><message>Session expired or invalid</message></Error></Errors>";
    let policy = r#"[{"errorCode":"INVALID_SESSION_ID","message":"This session is not valid for use with the REST API"}]"#;
    let agent = r#"[{"errorCode":"INVALID_SESSION_ID","message":"Connected app is not attached to Agent"}]"#;
    let black_tab = r#"[{"errorCode":"INVALID_SESSION_ID","message":"BlackTab users cannot perform API operations"}]"#;
    let limit =
        r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
    let quoted = r#"[{"message":"no such thing: [{\"errorCode\":\"INVALID_SESSION_ID\"}]","errorCode":"NOT_FOUND"}]"#;
    let second = r#"[{"errorCode":"NOT_FOUND","message":""},{"errorCode":"INVALID_SESSION_ID"}]"#;
    let apex = r#"{"errorCode":"INVALID_SESSION_ID"}"#;
    let apex_text = r#""log in: [{'errorCode':'INVALID_SESSION_ID'}]""#;
    let comment = "<Errors><!-- <Error><errorCode>INVALID_SESSION_ID</errorCode></Error> --><Error><errorCode>X</errorCode></Error></Errors>";
    let cdata = "<Errors><Error><errorCode>X</errorCode><message><![CDATA[</message></Error><Error><errorCode>INVALID_SESSION_ID</errorCode>]]></message></Error></Errors>";
    let elsewhere = r#"[{"errorCode":"URL_NOT_RESET","message":"Destination URL not reset. The URL returned from login must be set"}]"#;
    let soap = soap_fault("sf:INVALID_SESSION_ID", "INVALID_SESSION_ID: …", "");
    let by_detail = soap_fault(
        "soapenv:Server",
        "x",
        "<detail><sf:UnexpectedErrorFault><sf:exceptionCode>INVALID_SESSION_ID</sf:exceptionCode></sf:UnexpectedErrorFault></detail>",
    );
    let other = soap_fault(
        "sf:MALFORMED_QUERY",
        "sf:INVALID_SESSION_ID</faultcode>",
        "",
    );
    let soap_quoted = soap_fault(
        "sf:MALFORMED_QUERY",
        "<![CDATA[<faultcode>sf:INVALID_SESSION_ID</faultcode>]]>",
        "<!-- <faultcode>sf:INVALID_SESSION_ID</faultcode> --><detail><x><y><exceptionCode>INVALID_SESSION_ID</exceptionCode></y></x></detail>",
    );
    let soap_echo = "<e:Envelope xmlns:e='x'><e:Header><faultcode>sf:INVALID_SESSION_ID</faultcode></e:Header><e:Body><e:Fault><faultcode>sf:X</faultcode></e:Fault></e:Body></e:Envelope>";
    let soap_elsewhere = soap_fault(
        "sf:UNKNOWN_EXCEPTION",
        "UNKNOWN_EXCEPTION: Destination URL not reset. The URL returned from login must be set in the SforceService",
        "",
    );
    let bulk_xml = r#"<error xmlns="http://www.force.com/2009/06/asyncapi/dataload"><exceptionCode>InvalidSessionId</exceptionCode><exceptionMessage>Invalid session id</exceptionMessage></error>"#;
    let bulk_json =
        r#"{"exceptionCode":"InvalidSessionId","exceptionMessage":"Invalid session id"}"#;
    let bulk_echo = "<error><exceptionCode>InvalidJob</exceptionCode><exceptionMessage>Unable to find object: InvalidSessionId</exceptionMessage><x><exceptionCode>InvalidSessionId</exceptionCode></x></error>";
    let bulk_json_echo = r#"{"exceptionCode":"InvalidJob","exceptionMessage":"InvalidSessionId"}"#;
    let connect = r#"[{"clientId":"x","advice":{"reconnect":"none","interval":0},"channel":"/meta/connect","id":7,"error":"401::Authentication invalid","successful":false}]"#;
    let handshake = r#"{"ext":{"sfdc":{"failureReason":"401::Authentication invalid"}},"advice":{"reconnect":"none"},"channel":"/meta/handshake","error":"403::Handshake denied","successful":false}"#;
    let nobody = r#"[{"channel":"/meta/handshake","error":"401::Request requires authentication","successful":false}]"#;
    let unknown = r#"[{"channel":"/meta/connect","error":"403::Unknown client","advice":{"reconnect":"handshake"},"successful":false}]"#;
    let denied =
        r#"[{"channel":"/meta/handshake","error":"403::Handshake denied","successful":false}]"#;
    let event = r#"[{"channel":"/topic/x","successful":false,"data":{"text":"401::Authentication invalid"},"error":"401::x"}]"#;
    let published = r#"[{"channel":"/u/x","successful":true},{"channel":"/meta/connect","error":"401::Authentication invalid","successful":false}]"#;
    let received = r#"[{"channel":"/topic/x","data":{}},{"channel":"/meta/connect","error":"401::Authentication invalid","successful":false}]"#;
    let service = r#"[{"channel":"/meta/connect","successful":true},{"channel":"/topic/x","data":"401::Authentication invalid"}]"#;
    let (soap_family, bulk_family) = (Soap(Wsdl::Partner), Bulk(Format::Xml));
    for (family, status, body, expected) in [
        (Rest, 401, json, Dead),
        (Rest, 401, xml, Dead),
        (Rest, 401, policy, Sound),
        (Rest, 401, agent, Sound),
        (Rest, 401, black_tab, Sound),
        (Rest, 401, "{\"mine\":\"an Apex class\"}", Sound),
        (Rest, 401, quoted, Sound),
        (Rest, 401, second, Sound),
        (Rest, 401, apex, Sound),
        (Rest, 401, apex_text, Sound),
        (Rest, 401, comment, Sound),
        (Rest, 401, cdata, Sound),
        (Rest, 401, &json[..json.len() - 1], Sound),
        (Rest, 403, limit, Sound),
        (Rest, 403, json, Sound),
        (Rest, 400, elsewhere, Moved),
        (Rest, 404, elsewhere, Moved),
        (Rest, 200, elsewhere, Sound),
        (Rest, 500, json, Sound),
        (Rest, 500, &soap, Sound),
        (Rest, 400, bulk_xml, Sound),
        (Page, 401, json, Dead),
        (Identity, 403, "Bad_OAuth_Token", Dead),
        (Identity, 403, "Bad_OAuth_Token\n", Dead),
        (Identity, 401, json, Dead),
        (Identity, 403, "Missing_OAuth_Token", Sound),
        (Identity, 403, "Wrong_Org", Sound),
        (Identity, 403, "no such user: Bad_OAuth_Token", Sound),
        (Identity, 404, "Bad_OAuth_Token", Sound),
        (soap_family, 500, &soap, Dead),
        (soap_family, 500, &by_detail, Dead),
        (
            soap_family,
            500,
            &soap[..soap.find("<faultstring").unwrap()],
            Dead,
        ),
        (soap_family, 500, &other, Sound),
        (soap_family, 500, &soap_quoted, Sound),
        (soap_family, 500, soap_echo, Sound),
        (soap_family, 500, &format!("[\"{soap}\"]"), Sound),
        (soap_family, 500, &soap_elsewhere, Moved),
        (soap_family, 200, &soap, Sound),
        (bulk_family, 400, bulk_xml, Dead),
        (bulk_family, 400, bulk_json, Dead),
        (bulk_family, 400, bulk_echo, Sound),
        (bulk_family, 400, bulk_json_echo, Sound),
        (bulk_family, 500, bulk_json, Sound),
        (Cometd, 200, connect, Dead),
        (Cometd, 200, handshake, Dead),
        (Cometd, 200, nobody, Dead),
        (Cometd, 200, published, DeadAtLast),
        (Cometd, 200, received, DeadAtLast),
        (Cometd, 200, unknown, Sound),
        (Cometd, 200, denied, Sound),
        (Cometd, 200, event, Sound),
        (Cometd, 200, service, Sound),
        (Cometd, 200, &connect[..connect.len() - 1], Sound),
    ] {
        let response = response(status);
        let mut found = Sound;
        if family.suspects(&response, &session("00D!x")) {
            found = family.judge(&Method::POST, response.status(), body.as_bytes());
        }
        assert_eq!(found, expected, "{family:?} {status} {body}");
    }
}

#[test]
fn a_response_without_a_body_says_nothing_of_the_session() {
    for (family, status, expected) in [
        (Rest, 401, Verdict::Unsaid),
        (Rest, 400, Verdict::Sound),
        (Rest, 403, Verdict::Sound),
        (Rest, 404, Verdict::Sound),
        (Identity, 403, Verdict::Unsaid),
        (Soap(Wsdl::Partner), 500, Verdict::Unsaid),
        (Bulk(Format::Xml), 400, Verdict::Unsaid),
        (Cometd, 200, Verdict::Sound),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let found = family.judge(&Method::HEAD, status, b"");
        assert_eq!(found, expected, "{family:?} {status}");
    }
}

fn soap_fault(code: &str, text: &str, more: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:sf=\"urn:fault.partner.soap.sforce.com\"><soapenv:Body><soapenv:Fault>\
         <faultcode>{code}</faultcode><faultstring>{text}</faultstring>{more}</soapenv:Fault>\
         </soapenv:Body></soapenv:Envelope>"
    )
}

#[test]
fn a_call_is_refused_for_others_that_take_long_only_where_the_org_says_so() {
    let rest = |status: u16, code: &str, message: &str| {
        let body = format!(r#"[{{"message":"{message}","errorCode":"{code}"}}]"#);
        let status = StatusCode::from_u16(status).unwrap();
        Rest.judge(&Method::POST, status, body.as_bytes())
    };
    let limit = "REQUEST_LIMIT_EXCEEDED";
    let concurrent = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";
    let apex = "ConcurrentPerOrgLongTxn Limit exceeded.";
    for message in [concurrent, apex] {
        assert_eq!(rest(403, limit, message), Verdict::Crowded);
    }
    for (status, code, message) in [
        (403, limit, "TotalRequests Limit exceeded."),
        (403, limit, "no ConcurrentRequests"),
        (403, "NOT_FOUND", concurrent),
        (400, limit, concurrent),
    ] {
        assert_eq!(rest(status, code, message), Verdict::Sound, "{message}");
    }
    let soap = |code: &str, message: &str| {
        let fault = soap_fault(code, message, "");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Soap(Wsdl::Partner).judge(&Method::POST, status, fault.as_bytes())
    };
    let code = "sf:REQUEST_LIMIT_EXCEEDED";
    let with_code = format!("{limit}: {concurrent}");
    assert_eq!(soap(code, concurrent), Verdict::Crowded);
    assert_eq!(soap(code, &with_code), Verdict::Crowded);
    assert_eq!(soap(code, "TotalRequests Limit exceeded."), Verdict::Sound);
    assert_eq!(soap("sf:INVALID_FIELD", &with_code), Verdict::Sound);
    let bulk = format!(
        "<error><exceptionCode>{limit}</exceptionCode><exceptionMessage>{concurrent}</exceptionMessage></error>"
    );
    let judged = Bulk(Format::Xml).judge(&Method::POST, StatusCode::BAD_REQUEST, bulk.as_bytes());
    assert_eq!(judged, Verdict::Crowded);
}

#[test]
fn a_session_in_jwt_format_is_not_renewed_where_it_never_counts() {
    let jwt = session("eyJhbGciOiJSUzI1NiJ9.e30.x");
    assert!(Rest.suspects(&response(401), &jwt));
    assert!(!Soap(Wsdl::Partner).suspects(&response(500), &jwt));
    assert!(!Bulk(Format::Xml).suspects(&response(400), &jwt));
}

#[test]
fn puts_the_session_where_it_counts() {
    let session = session("00D!x");
    for (family, header, expected) in [
        (Rest, "authorization", "Bearer 00D!x"),
        (Cometd, "authorization", "Bearer 00D!x"),
        (Bulk(Format::Json), "authorization", "Bearer 00D!x"),
        (Bulk(Format::Json), "x-sfdc-session", "00D!x"),
        (Page, "cookie", "sid=00D!x; a=b; c=d"),
    ] {
        let mut theirs = HeaderMap::new();
        theirs.append("cookie", HeaderValue::from_static("a=b"));
        theirs.append("cookie", HeaderValue::from_static("c=d"));
        let mut headers = HeaderMap::new();
        if family.passes(&header::COOKIE) {
            headers.extend(theirs.clone());
        }
        family.authorize(&theirs, &session, |name, value| {
            headers.append(name, value.clone());
        });
        assert_eq!(headers.get_all(header).iter().count(), 1);
        assert_eq!(headers[header], expected, "{family:?}");
        assert!(headers[header].is_sensitive());
    }
}

/// Else a client's own would reach the org beside it.
#[test]
fn whatever_carries_the_session_is_known_as_such() {
    let session = session("00D!x");
    let families = [
        Rest,
        OAuth,
        Identity,
        Cometd,
        Bulk(Format::Json),
        Bulk(Format::Xml),
        Soap(Wsdl::Partner),
    ];
    for family in families {
        family.authorize(&HeaderMap::new(), &session, |name, _| {
            let name = name.as_str();
            assert!(SESSION_HEADERS.contains(&name), "{family:?} {name}");
        });
    }
}

#[test]
fn tells_errors_in_the_shape_of_each() {
    for (family, status, content_type, body) in [
        (
            Rest,
            403,
            JSON,
            r#"[{"message":"a < b's \"c\"","errorCode":"CODE"}]"#,
        ),
        (
            Cometd,
            403,
            JSON,
            r#"[{"channel":"/meta/connect","successful":false,"error":"403::CODE: a < b's \"c\"","advice":{"reconnect":"none","interval":2000}}]"#,
        ),
        (Identity, 403, TEXT, "CODE: a < b's \"c\"\n"),
        (
            Bulk(Format::Json),
            403,
            JSON,
            r#"{"exceptionCode":"CODE","exceptionMessage":"a < b's \"c\""}"#,
        ),
        (
            Bulk(Format::Xml),
            403,
            "application/xml",
            r#"<?xml version="1.0" encoding="UTF-8"?><error xmlns="http://www.force.com/2009/06/asyncapi/dataload"><exceptionCode>CODE</exceptionCode><exceptionMessage>a &lt; b's "c"</exceptionMessage></error>"#,
        ),
        (
            Soap(Wsdl::Apex),
            500,
            XML,
            r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="http://soap.sforce.com/2006/08/apex" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>sf:INSUFFICIENT_ACCESS</faultcode><faultstring>CODE: a &lt; b's "c"</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"#,
        ),
        (
            Soap(Wsdl::Enterprise),
            500,
            XML,
            r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.enterprise.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>sf:INSUFFICIENT_ACCESS</faultcode><faultstring>CODE: a &lt; b's "c"</faultstring><detail><sf:UnexpectedErrorFault xsi:type="sf:UnexpectedErrorFault"><sf:exceptionCode>INSUFFICIENT_ACCESS</sf:exceptionCode><sf:exceptionMessage>CODE: a &lt; b's "c"</sf:exceptionMessage></sf:UnexpectedErrorFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"#,
        ),
    ] {
        let (shown, kind, text) =
            family.render_error(StatusCode::FORBIDDEN, "CODE", "a < b's \"c\"");
        assert_eq!((shown.as_u16(), kind), (status, content_type), "{family:?}");
        assert_eq!(text, body, "{family:?}");
    }
}
