//! SOAP `login()` and `logout()`, answered without the org. User name and password end here.

use http::StatusCode;
use orgproxy::{
    Bound, Server,
    config::{Clients, Config},
};
use test_case::test_case;

use crate::support::{
    Both, Fault, Org, client,
    coding::compress,
    namespace::{ENTERPRISE, ENVELOPE, PARTNER, TOOLING},
    path::LIMITS,
    proxy::{config, org},
    targets,
};

const V46: &str = "/services/Soap/u/46.0";
const USER: &str = "etl@example.com";
const PASSWORD: &str = "pa<ss&word";

/// Returns a login as jsforce writes it.
fn jsforce(namespace: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><se:Envelope xmlns:se=\"{ENVELOPE}\"><se:Header/>\
         <se:Body><login xmlns=\"{namespace}\"><username>{USER}</username>\
         <password>pa&lt;ss&amp;word</password></login></se:Body></se:Envelope>"
    )
}

/// Returns a login as simple-salesforce writes it.
fn simple_salesforce() -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<env:Envelope\n xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"\n \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n xmlns:env=\"{ENVELOPE}\"\n xmlns:urn=\"{PARTNER}\">\n \
         <env:Header>\n <urn:CallOptions>\n <urn:client>simple-salesforce</urn:client>\n \
         <urn:defaultNamespace>sf</urn:defaultNamespace>\n </urn:CallOptions>\n </env:Header>\n <env:Body>\n \
         <n1:login xmlns:n1=\"{PARTNER}\">\n <n1:username>{USER}</n1:username>\n \
         <n1:password>pa&#60;ss&#x26;word</n1:password>\n </n1:login>\n </env:Body>\n</env:Envelope>"
    )
}

/// Returns a login as the force CLI and EMP-Connector write it.
fn force() -> String {
    format!(
        "<soapenv:Envelope xmlns:soapenv='{ENVELOPE}' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
         xmlns:urn='{PARTNER}'><soapenv:Body><urn:login><urn:username>{USER}</urn:username>\
         <urn:password><![CDATA[{PASSWORD}]]></urn:password></urn:login></soapenv:Body></soapenv:Envelope>"
    )
}

/// Returns a login as WSC writes it before it compresses.
fn wsc(namespace: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope xmlns:env=\"{ENVELOPE}\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <env:Header><LoginScopeHeader xmlns=\"{namespace}\"><organizationId>00D000000000062</organizationId>\
         </LoginScopeHeader></env:Header><env:Body><m:login xmlns:m=\"{namespace}\" xmlns:sobj=\"urn:sobject\">\
         <m:username>{USER}</m:username><m:password>pa&lt;ss&amp;word</m:password></m:login></env:Body></env:Envelope>"
    )
}

#[test_case(V46, "", jsforce(PARTNER), "u/46.0", PARTNER; "jsforce")]
#[test_case("/services/Soap/u/59.0", "", simple_salesforce(), "u/59.0", PARTNER; "simple_salesforce")]
#[test_case("/services/Soap/u/40.0", "", force(), "u/40.0", PARTNER; "force")]
#[test_case("/services/Soap/u/44.0/", "", force(), "u/44.0", PARTNER; "emp connector")]
#[test_case("//services/Soap/u/64.0/", "gzip", wsc(PARTNER), "u/64.0", PARTNER; "data loader")]
#[test_case("/services/Soap/c/64.0/00D000000000062", "gzip", wsc(ENTERPRISE), "c/64.0", ENTERPRISE; "wsc enterprise")]
#[test_case("/services/Soap/c/20.0", "deflate", jsforce(ENTERPRISE), "c/20.0", ENTERPRISE; "the first version")]
#[test_case("/services/Soap/u/65.0", "", jsforce(PARTNER), "u/65.0", PARTNER; "a version without login")]
#[test_case("/services/Soap/u/999.0", "", jsforce(PARTNER), "u/999.0", PARTNER; "a version to come")]
#[test_case("/services/Soap/u/v62.0", "", jsforce(PARTNER), "u/62.0", PARTNER; "a version as rest has it")]
#[test_case("/services/Soap/c/v62.0", "", jsforce(ENTERPRISE), "c/62.0", ENTERPRISE; "a version as rest has it, enterprise")]
#[test_case("/services/Soap/c/V62.0/00D000000000062", "gzip", wsc(ENTERPRISE), "c/62.0", ENTERPRISE; "a version as rest has it, with the org")]
#[test_case("/services/soap/t/62.0", "", jsforce(TOOLING), "T/62.0", TOOLING; "tooling")]
#[test_case(V46, "", format!("\u{feff}{}", jsforce(PARTNER)), "u/46.0", PARTNER; "a byte order mark")]
#[tokio::test]
async fn every_client_is_let_in(
    path: &str,
    coding: &str,
    envelope: String,
    place: &str,
    namespace: &str,
) {
    let both = Both::with(|config| {
        let mut clients = Clients::default();
        clients.add(USER.to_owned(), PASSWORD.as_bytes());
        config.orgs[0].clients = Some(clients);
    })
    .await;
    let (status, answer) = post(&both, path, coding, envelope).await;
    assert_eq!(status, 200, "{answer}");
    let within = |name: &str| text_of(&answer, name);
    let base = both.proxy.url("");
    let org = &both.org.org_id()[..15];
    assert!(
        answer.contains(&format!(" xmlns=\"{namespace}\" ")),
        "{answer}"
    );
    assert_eq!(
        within("serverUrl"),
        format!("{base}/services/Soap/{place}/{org}")
    );
    let (_, version) = place.split_once('/').unwrap();
    assert_eq!(
        within("metadataServerUrl"),
        format!("{base}/services/Soap/m/{version}/{org}")
    );
    assert_eq!(within("passwordExpired"), "false");
    assert_eq!(within("userId"), both.org.user_id());
    assert_eq!(within("organizationId"), both.org.org_id());
    assert_eq!(within("userName"), both.org.username());
    has_told_no_password(&both);
}

#[tokio::test]
async fn what_the_org_says_of_its_user_shows_no_session() {
    let both = Both::start().await;
    let envelope = "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/' \
        xmlns='urn:partner.soap.sforce.com'><e:Body><getUserInfoResponse><result>\
        <organizationId>00Dxx0000001gPLEAY</organizationId><userId>005xx000001SwiUAAS</userId>\
        <userName>00Dxx0000001gPL!AQ.secret</userName></result></getUserInfoResponse></e:Body>\
        </e:Envelope>";
    let answer = Fault::answer(StatusCode::OK, "text/xml", envelope);
    both.org.faults().next(1, "/services/Soap/u", answer);
    let (status, answer) = post(&both, V46, "", jsforce(PARTNER)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(text_of(&answer, "userName"), "[session]");

    for (begin, end) in [
        ("!AQ<!-- -->", ""),
        ("<![CDATA[!AQ.]]>", ""),
        ("!<?x?>AQ.", "<!-- -->"),
    ] {
        let split = envelope.replace("!AQ.secret", &format!("{begin}secret{end}"));
        let answer = Fault::answer(StatusCode::OK, "text/xml", split);
        both.org.faults().next(1, "/services/Soap/u", answer);
        let (status, answer) = post(&both, V46, "", jsforce(PARTNER)).await;
        assert_eq!(status, 500, "{answer}");
        assert!(answer.contains("with a session in it"), "{answer}");
        assert!(!answer.contains("secret"), "{answer}");
    }
    // What is written so without one is as it was.
    let split = envelope.replace("!AQ.secret", "<!-- a comment --> <![CDATA[& Sons]]>");
    let answer = Fault::answer(StatusCode::OK, "text/xml", split);
    both.org.faults().next(1, "/services/Soap/u", answer);
    let (status, answer) = post(&both, V46, "", jsforce(PARTNER)).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("<![CDATA[& Sons]]>"), "{answer}");
}

#[tokio::test]
async fn the_answer_is_salesforces_byte_for_byte() {
    let both = Both::start().await;
    let response = client()
        .post(both.proxy.url(V46))
        .header("host", "localhost:1234")
        .body(jsforce(PARTNER))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/xml; charset=utf-8"
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["proxy-status"], "orgproxy");
    let answer = response.text().await.unwrap();
    let session = text_of(&answer, "sessionId");
    let user = both.org.username();
    assert_eq!(
        answer,
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope \
             xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns=\"urn:partner.soap.sforce.com\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><loginResponse>\
             <result><metadataServerUrl>http://localhost:1234/services/Soap/m/46.0/00Dxx0000001gPL\
             </metadataServerUrl><passwordExpired>false</passwordExpired><sandbox>false</sandbox>\
             <serverUrl>http://localhost:1234/services/Soap/u/46.0/00Dxx0000001gPL</serverUrl>\
             <sessionId>{session}</sessionId><userId>005xx000001SwiUAAS</userId><userInfo>\
             <accessibilityMode>false</accessibilityMode><chatterExternal>false</chatterExternal>\
             <currencySymbol>$</currencySymbol>\
             <orgAttachmentFileSizeLimit>5242880</orgAttachmentFileSizeLimit>\
             <orgDefaultCurrencyIsoCode>USD</orgDefaultCurrencyIsoCode>\
             <orgDefaultCurrencyLocale>en_US</orgDefaultCurrencyLocale>\
             <orgDisallowHtmlAttachments>false</orgDisallowHtmlAttachments>\
             <orgHasPersonAccounts>false</orgHasPersonAccounts>\
             <organizationId>00Dxx0000001gPLEAY</organizationId>\
             <organizationMultiCurrency>false</organizationMultiCurrency>\
             <organizationName>Demo Org</organizationName><profileId>00exx0000000001AAA</profileId>\
             <roleId xsi:nil=\"true\"/><sessionSecondsValid>7200</sessionSecondsValid>\
             <userDefaultCurrencyIsoCode xsi:nil=\"true\"/><userEmail>{user}</userEmail>\
             <userFullName>Integration User</userFullName><userId>005xx000001SwiUAAS</userId>\
             <userLanguage>en_US</userLanguage><userLocale>en_US</userLocale>\
             <userName>{user}</userName><userTimeZone>America/Los_Angeles</userTimeZone>\
             <userType>Standard</userType><userUiSkin>Theme3</userUiSkin></userInfo></result>\
             </loginResponse></soapenv:Body></soapenv:Envelope>"
        )
    );
    let (org, rest) = session.split_once('!').unwrap();
    assert_eq!(org, "00Dxx0000001gPL");
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
    assert!(rest.len() > 80 && rest.chars().all(is_word), "{session}");
}

#[tokio::test]
async fn what_a_client_is_given_works_and_is_not_the_session() {
    let both = Both::start().await;
    let (_, answer) = post(&both, V46, "", jsforce(PARTNER)).await;
    let (url, session) = (text_of(&answer, "serverUrl"), text_of(&answer, "sessionId"));
    let query = format!(
        "<e:Envelope xmlns:e='{ENVELOPE}' xmlns='{PARTNER}'><e:Header><SessionHeader><sessionId>{session}\
         </sessionId></SessionHeader></e:Header><e:Body><query><queryString>SELECT Id FROM Account\
         </queryString></query></e:Body></e:Envelope>"
    );
    let answer = client().post(url).body(query).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains("<queryResponse>"));
    let answer = client()
        .get(both.proxy.url(LIMITS))
        .bearer_auth(&session)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    for seen in both.org.requests() {
        assert!(!format!("{:?}", seen.headers).contains(&session));
        assert!(!String::from_utf8_lossy(&seen.body).contains(&session));
    }
    // The same for all, forever.
    let (_, again) = post(&both, V46, "", jsforce(PARTNER)).await;
    assert_eq!(text_of(&again, "sessionId"), session);
}

#[tokio::test]
async fn a_dead_session_is_not_the_clients_problem() {
    let both = Both::start().await;
    assert_eq!(post(&both, V46, "", jsforce(PARTNER)).await.0, 200);
    both.org.end_sessions();
    assert_eq!(post(&both, V46, "", jsforce(PARTNER)).await.0, 200);
    assert_eq!(both.org.logins(), 2);
}

#[tokio::test]
async fn the_clients_version_is_asked_and_64_if_the_org_does_not_know_it() {
    let both = Both::start().await;
    for version in ["31.0", "999.0"] {
        let path = format!("/services/Soap/u/{version}");
        assert_eq!(post(&both, &path, "", jsforce(PARTNER)).await.0, 200);
    }
    let asked = targets(&both.org);
    let expected = ["31.0", "999.0", "64.0"].map(|version| format!("/services/Soap/u/{version}"));
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn what_the_org_has_against_it_is_reported_in_its_own_words() {
    let both = Both::start().await;
    let fault = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.partner.soap.sforce.com\"><soapenv:Body><soapenv:Fault><faultcode>sf:API_DISABLED_FOR_ORG</faultcode><faultstring>API_DISABLED_FOR_ORG: API is not enabled for this Organization or Partner</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>";
    let answer = Fault::answer(StatusCode::INTERNAL_SERVER_ERROR, "text/xml", fault);
    both.org.faults().always("/services/Soap/u", answer);
    let (status, told) = post(&both, V46, "", jsforce(PARTNER)).await;
    assert_eq!((status, told.as_str()), (500, fault));

    both.org.faults().clear();
    both.org
        .faults()
        .always("/services/Soap/u", Fault::html(StatusCode::OK));
    let (status, told) = post(&both, V46, "", jsforce(PARTNER)).await;
    assert_eq!(status, 500);
    assert!(
        told.contains("<faultcode>sf:SERVER_UNAVAILABLE</faultcode>"),
        "{told}"
    );
    assert!(told.contains("ORG_USER_UNKNOWN"), "{told}");
}

#[test_case("u", PARTNER, "partner")]
#[test_case("c", ENTERPRISE, "enterprise")]
#[test_case("T", TOOLING, "tooling")]
#[tokio::test]
async fn a_user_who_is_not_among_the_clients_gets_salesforces_refusal(
    api: &str,
    namespace: &str,
    name: &str,
) {
    let both = Both::with(|config| {
        let mut clients = Clients::default();
        clients.add(USER.to_owned(), b"another");
        clients.add("bi@example.com".to_owned(), PASSWORD.as_bytes());
        config.orgs[0].clients = Some(clients);
    })
    .await;
    let nobody = jsforce(namespace).replace(USER, "");
    let nothing = format!(
        "<e:Envelope xmlns:e='{ENVELOPE}'><e:Body><login xmlns='{namespace}'/></e:Body></e:Envelope>"
    );
    for envelope in [jsforce(namespace), nobody, nothing] {
        let path = format!("/services/Soap/{api}/62.0");
        let (status, answer) = post(&both, &path, "", envelope).await;
        assert_eq!(status, 500);
        assert_eq!(
            answer,
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:sf=\"urn:fault.{name}.soap.sforce.com\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_LOGIN</faultcode><faultstring>INVALID_LOGIN: Invalid username, password, security token; or user locked out.</faultstring><detail><sf:LoginFault xsi:type=\"sf:LoginFault\"><sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode><sf:exceptionMessage>Invalid username, password, security token; or user locked out.</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
            )
        );
    }
    both.untouched();
}

#[test_case("u", PARTNER)]
#[test_case("c", ENTERPRISE)]
#[test_case("T", TOOLING)]
#[tokio::test]
async fn logging_out_ends_nothing(api: &str, namespace: &str) {
    let both = Both::start().await;
    let path = format!("/services/Soap/{api}/62.0/00Dxx0000001gPL");
    for (operation, answer) in [
        ("<logout/>", "<logoutResponse/>"),
        (
            "<invalidateSessions><sessionIds>a</sessionIds><sessionIds>b</sessionIds></invalidateSessions>",
            "<invalidateSessionsResponse><result><success>true</success></result><result><success>true</success></result></invalidateSessionsResponse>",
        ),
    ] {
        let envelope = format!(
            "<e:Envelope xmlns:e='{ENVELOPE}' xmlns='{namespace}'><e:Header><SessionHeader><sessionId>x\
             </sessionId></SessionHeader></e:Header><e:Body>{operation}</e:Body></e:Envelope>"
        );
        let (status, told) = post(&both, &path, "gzip", envelope).await;
        assert_eq!(status, 200);
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE}\" \
             xmlns=\"{namespace}\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <soapenv:Body>{answer}</soapenv:Body></soapenv:Envelope>"
        );
        assert_eq!(told, expected);
    }
    both.untouched();
}

#[tokio::test]
async fn an_apex_class_may_call_its_own_methods_as_it_likes() {
    let both = Both::start().await;
    let namespace = "http://soap.sforce.com/schemas/class/Acme";
    let envelope = jsforce(namespace);
    let (status, answer) = post(&both, "/services/Soap/class/Acme", "", envelope).await;
    assert_eq!(status, 200);
    assert!(answer.contains("<loginResponse>"), "{answer}");
    assert_eq!(both.org.counts().requests, 1);
}

#[test_case("/services/Soap/u/19.0", jsforce(PARTNER), "UNSUPPORTED_API_VERSION"; "too old")]
#[test_case("/services/Soap/u", jsforce(PARTNER), "UNSUPPORTED_API_VERSION"; "no version")]
#[test_case(V46, jsforce(ENTERPRISE), "MALFORMED_ENVELOPE"; "the namespace of another path")]
#[test_case(V46, jsforce(""), "MALFORMED_ENVELOPE"; "no namespace")]
#[test_case("/services/Soap/m/62.0", jsforce(PARTNER), "MALFORMED_ENVELOPE"; "where there is no login")]
#[test_case(V46, jsforce(PARTNER)[..260].to_owned(), "MALFORMED_ENVELOPE"; "cut")]
#[test_case(V46, jsforce(PARTNER).replace("&lt;", "<"), "MALFORMED_ENVELOPE"; "a bare bracket")]
#[test_case(V46, jsforce(PARTNER).replace("&lt;", "&bomb;"), "MALFORMED_ENVELOPE"; "an unknown entity")]
#[test_case(V46, jsforce(PARTNER).replace("&lt;", &"x".repeat(70_000)), "BODY_TOO_LARGE"; "huge")]
#[test_case(V46, jsforce(PARTNER).replace("&lt;", &"x".repeat(10_000_000)), "BODY_TOO_LARGE"; "monstrous")]
#[tokio::test]
async fn what_is_not_a_login_gets_a_fault_that_says_why(path: &str, envelope: String, code: &str) {
    let both = Both::start().await;
    let (status, answer) = post(&both, path, "", envelope).await;
    assert_eq!(status, 500, "{answer}");
    assert!(
        answer.contains(&format!("<faultstring>{code}: orgproxy: ")),
        "{answer}"
    );
    let clients = [
        "INVALID_OPERATION",
        "EXCEEDED_MAX_SIZE_REQUEST",
        "UNSUPPORTED_API_VERSION",
    ];
    let is = |it: &&str| answer.contains(&format!("<faultcode>sf:{it}</faultcode>"));
    assert!(clients.iter().any(is), "{answer}");
    // Not even what is left of a password that was not escaped.
    assert!(!answer.contains("word"), "{answer}");
    both.untouched();
}

#[tokio::test]
async fn a_session_id_of_another_org_is_refused() {
    let demos = [Org::start().await.unwrap(), Org::start().await.unwrap()];
    let mut config: Config = config(&demos[0]);
    let mut two = org(&demos[1]);
    two.name = "two".to_owned();
    config.orgs.push(two);
    let server = Server::bind(config).await.unwrap();
    let urls: Vec<_> = server.bound().iter().map(Bound::url).collect();
    tokio::spawn(server.serve(std::future::pending()));

    let mut sessions = Vec::new();
    for url in &urls {
        let login = client().post(format!("{url}{V46}")).body(jsforce(PARTNER));
        let answer = login.send().await.unwrap().text().await.unwrap();
        sessions.push(text_of(&answer, "sessionId"));
    }
    assert_ne!(sessions[0], sessions[1]);
    sessions.push("00Dxx0000001gPL!anything".to_owned());

    for (proxy, session, status) in [
        (0, 0, 200),
        (0, 1, 403),
        (0, 2, 200),
        (1, 0, 403),
        (1, 1, 200),
        (1, 2, 200),
    ] {
        let (url, session) = (&urls[proxy], &sessions[session]);
        let limits = format!("{url}/services/data/v62.0/limits");
        let by_header = client().get(&limits).bearer_auth(session);
        let by_query = client().get(format!("{limits}?oauth_token={session}"));
        for request in [by_header, by_query] {
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), status, "{proxy} {session}");
            let answer = answer.text().await.unwrap();
            assert_eq!(answer.contains("WRONG_ORG"), status == 403, "{answer}");
            assert!(!answer.contains(&**session), "{answer}");
        }
        // As some write whatever is no letter and no digit, or all.
        let by_number = |c: char| format!("&#x{:X};", u32::from(c));
        let in_numbers: String = session.chars().map(by_number).collect();
        for session in [session, &session.replace('!', "&#33;"), &in_numbers] {
            let envelope = format!(
                "<e:Envelope xmlns:e='{ENVELOPE}' xmlns='{PARTNER}'><e:Header><SessionHeader><sessionId>{session}\
                 </sessionId></SessionHeader></e:Header><e:Body><getUserInfo/></e:Body></e:Envelope>"
            );
            let request = client().post(format!("{url}{V46}")).body(envelope);
            let answer = request.send().await.unwrap().text().await.unwrap();
            assert_eq!(answer.contains("WRONG_ORG"), status == 403, "{answer}");
        }
        let request = client()
            .post(format!("{url}/services/oauth2/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("grant_type=refresh_token&refresh_token={session}"));
        assert_eq!(request.send().await.unwrap().status(), status);
    }
}

async fn post(both: &Both, path: &str, coding: &str, envelope: String) -> (u16, String) {
    let body = match coding {
        "" => envelope.into_bytes(),
        _ => compress(coding, &envelope),
    };
    let mut request = client()
        .post(both.proxy.url(path))
        .header("content-type", "text/xml; charset=utf-8")
        .header("soapaction", "\"\"");
    if !coding.is_empty() {
        request = request.header("content-encoding", coding);
    }
    let answer = request.body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Asserts that the org was asked who its user is, and nothing else.
#[track_caller]
fn has_told_no_password(both: &Both) {
    let requests = both.org.requests();
    assert!(!requests.is_empty());
    for seen in requests {
        let body = String::from_utf8_lossy(&seen.body);
        assert!(body.contains("<getUserInfo "), "{body}");
        for word in [USER, "word", "login"] {
            assert!(!body.contains(word), "{body}");
        }
    }
}

/// The text of the first element of this name, without prefix and attributes, as jsforce finds it.
fn text_of(answer: &str, name: &str) -> String {
    let (_, rest) = answer.split_once(&format!("<{name}>")).expect(answer);
    let (text, _) = rest.split_once(&format!("</{name}>")).expect(answer);
    text.to_owned()
}
