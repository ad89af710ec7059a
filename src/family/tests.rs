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

fn answer(status: u16) -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
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
    let json = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;
    let xml = "<Errors><Error><errorCode>INVALID_SESSION_ID</errorCode><message>Session expired or invalid</message></Error></Errors>";
    let policy = r#"[{"errorCode":"INVALID_SESSION_ID","message":"This session is not valid for use with the REST API"}]"#;
    let agent = r#"[{"errorCode":"INVALID_SESSION_ID","message":"Connected app is not attached to Agent"}]"#;
    let limit =
        r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#;
    let soap = "<soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: …";
    let other =
        "<soapenv:Fault><faultcode>sf:MALFORMED_QUERY</faultcode><faultstring>INVALID_SESSION_ID";
    let bulk_xml = r#"<error xmlns="http://www.force.com/2009/06/asyncapi/dataload"><exceptionCode>InvalidSessionId</exceptionCode>"#;
    let bulk_json =
        r#"{"exceptionCode":"InvalidSessionId","exceptionMessage":"Invalid session id"}"#;
    let bulk_other = r#"{"exceptionCode":"InvalidJob","exceptionMessage":"No job"}"#;
    let connect = r#"[{"clientId":"x","advice":{"reconnect":"none","interval":0},"channel":"/meta/connect","id":7,"error":"401::Authentication invalid","successful":false}]"#;
    let handshake = r#"{"ext":{"sfdc":{"failureReason":"401::Authentication invalid"}},"advice":{"reconnect":"none"},"channel":"/meta/handshake","error":"403::Handshake denied","successful":false}"#;
    let nobody = r#"[{"channel":"/meta/handshake","error":"401::Request requires authentication","successful":false}]"#;
    let unknown = r#"[{"channel":"/meta/connect","error":"403::Unknown client","advice":{"reconnect":"handshake"},"successful":false}]"#;
    let denied =
        r#"[{"channel":"/meta/handshake","error":"403::Handshake denied","successful":false}]"#;
    let event = r#"[{"channel":"/topic/x","successful":false,"data":{"text":"401::Authentication invalid"},"error":"401::x"}]"#;
    let service = r#"[{"channel":"/meta/connect","successful":true},{"channel":"/topic/x","data":"401::Authentication invalid"}]"#;
    let (soap_family, bulk_family) = (Soap(Wsdl::Partner), Bulk(Format::Xml));
    for (family, status, body, expired) in [
        (Rest, 401, json, true),
        (Rest, 401, xml, true),
        (Rest, 401, policy, false),
        (Rest, 401, agent, false),
        (Rest, 401, "{\"mine\":\"an Apex class\"}", false),
        (Rest, 403, limit, false),
        (Rest, 403, json, false),
        (Rest, 500, json, false),
        (Rest, 500, soap, false),
        (Rest, 400, bulk_xml, false),
        (Identity, 403, "Bad_OAuth_Token", true),
        (Identity, 403, "Missing_OAuth_Token", false),
        (Identity, 403, "Wrong_Org", false),
        (Identity, 404, "Bad_OAuth_Token", false),
        (soap_family, 500, soap, true),
        (soap_family, 500, other, false),
        (soap_family, 200, soap, false),
        (bulk_family, 400, bulk_xml, true),
        (bulk_family, 400, bulk_json, true),
        (bulk_family, 400, bulk_other, false),
        (bulk_family, 500, bulk_json, false),
        (Cometd, 200, connect, true),
        (Cometd, 200, handshake, true),
        (Cometd, 200, nobody, true),
        (Cometd, 200, unknown, false),
        (Cometd, 200, denied, false),
        (Cometd, 200, event, false),
        (Cometd, 200, service, false),
        (Cometd, 200, &connect[..connect.len() - 1], false),
    ] {
        let found = family.suspects(&answer(status), &session("00D!x"))
            && family.is_expired(&Method::POST, body.as_bytes());
        assert_eq!(found, expired, "{family:?} {status} {body}");
    }
}

#[test]
fn a_session_in_jwt_format_is_not_renewed_where_it_never_counts() {
    let jwt = session("eyJhbGciOiJSUzI1NiJ9.e30.x");
    assert!(Rest.suspects(&answer(401), &jwt));
    assert!(!Soap(Wsdl::Partner).suspects(&answer(500), &jwt));
    assert!(!Bulk(Format::Xml).suspects(&answer(400), &jwt));
}

#[test]
fn puts_the_session_where_it_counts() {
    let session = session("00D!x");
    for (family, header, expected) in [
        (Rest, "authorization", "Bearer 00D!x"),
        (Cometd, "authorization", "Bearer 00D!x"),
        (Bulk(Format::Json), "authorization", "Bearer 00D!x"),
        (Bulk(Format::Json), "x-sfdc-session", "00D!x"),
        (Page, "cookie", "a=b; c=d; sid=00D!x"),
    ] {
        let mut theirs = HeaderMap::new();
        theirs.append("cookie", HeaderValue::from_static("a=b"));
        theirs.append("cookie", HeaderValue::from_static("c=d"));
        let mut headers = HeaderMap::new();
        family.authorize(&theirs, &session, |name, value| {
            headers.append(name, value.clone());
        });
        assert_eq!(headers.get_all(header).iter().count(), 1);
        assert_eq!(headers[header], expected, "{family:?}");
        assert!(headers[header].is_sensitive());
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
        let (told, kind, text) = family.tell(StatusCode::FORBIDDEN, "CODE", "a < b's \"c\"");
        assert_eq!((told.as_u16(), kind), (status, content_type), "{family:?}");
        assert_eq!(text, body, "{family:?}");
    }
}
