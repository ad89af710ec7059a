//! Requests of old clients, byte for byte as they send them, but for the host, what they got from an
//! earlier answer, and the length that follows from that.

use std::{collections::BTreeMap, io::Read, net::SocketAddr};

use flate2::read::GzDecoder;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::{coding::gzip, in_time};

/// What one client sends, in order.
pub(crate) struct OldClient {
    pub(crate) name: &'static str,
    pub(crate) steps: &'static [Step],
}

/// One request, and what comes of it.
pub(crate) struct Step {
    /// With `{host}`, `{length}`, and what [`Known`] finds in answers.
    head: &'static str,
    body: &'static str,
    is_compressed: bool,
    /// The status and a part of the body of a good answer.
    pub(crate) good: (u16, &'static str),
    /// The same of the answer for a retired version. A login is answered all the same.
    pub(crate) retired: Option<(u16, &'static str)>,
    /// The path that an org is to see which serves 41.0 and later.
    pub(crate) sent: &'static str,
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// What a client knows from the answers so far.
pub(crate) struct Known(BTreeMap<&'static str, String>);

impl Known {
    pub(crate) fn new() -> Self {
        let placeholder = "00D000000000000!AQplaceholder".to_owned();
        Self(BTreeMap::from([("session", placeholder)]))
    }

    /// Notes what the client would of this answer.
    pub(crate) fn hear(&mut self, heard: &Heard) {
        let mut note = |name, before: &str, after| {
            let rest = heard.body.split_once(before).map(|(_, rest)| rest);
            if let Some((value, _)) = rest.and_then(|rest| rest.split_once(after)) {
                self.0.insert(name, value.to_owned());
            }
        };
        note("session", "<sessionId>", '<');
        note("next", "\"nextRecordsUrl\":\"", '"');
        note("next", "\"nextRecordsUrl\": \"", '"');
        note("stream", "\"clientId\":\"", '"');
        note("account", "\"id\":\"", '"');
        if let Some(next) = self.0.get("next") {
            let locator = next.rsplit('/').next().unwrap_or_default().to_owned();
            self.0.insert("locator", locator);
        }
    }

    fn filled_in(&self, text: &str) -> String {
        let fill = |text: String, (name, value): (&&str, &String)| {
            text.replace(&format!("{{{name}}}"), value)
        };
        self.0.iter().fold(text.to_owned(), fill)
    }
}

impl Step {
    /// The path that the org is to see, with what the client `knows`.
    pub(crate) fn sent(&self, knows: &Known) -> String {
        knows.filled_in(self.sent)
    }

    /// Sends it as the client does, and returns the answer.
    pub(crate) async fn send(&self, address: SocketAddr, knows: &Known) -> Heard {
        let body = knows.filled_in(self.body);
        let body = if self.is_compressed {
            gzip(&body)
        } else {
            body.into_bytes()
        };
        let head = knows.filled_in(self.head);
        let head = head.replace("{host}", &address.to_string());
        let head = head.replace("{length}", &body.len().to_string());
        in_time(exchange(address, &[head.as_bytes(), &body].concat())).await
    }
}

/// Sends `wire` and reads one answer, which must be whole.
pub(crate) async fn exchange(address: SocketAddr, wire: &[u8]) -> Heard {
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    stream.write_all(wire).await.unwrap();
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_lowercase()),
        }
    }
    let has = |line: &str| head.iter().any(|it| it == line);
    let length = head
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = Vec::new();
    if has("transfer-encoding: chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.unwrap();
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        stream.read_exact(&mut body).await.unwrap();
    }
    if has("content-encoding: gzip") {
        let mut text = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut text).unwrap();
        body = text;
    }
    Heard {
        status: head[0][9..12].parse().unwrap(),
        body: String::from_utf8(body).unwrap(),
    }
}

const LOGIN: (u16, &str) = (200, "<loginResponse>");
const GONE: Option<(u16, &str)> = Some((410, "\"GONE\""));
const UNSUPPORTED: Option<(u16, &str)> = Some((500, "UNSUPPORTED_API_VERSION"));

/// jsforce 1.9 of 2018, by Node's `request`: `login()`, `query()` and `queryMore()`.
pub(crate) const JSFORCE: OldClient = OldClient {
    name: "jsforce 1.x",
    steps: &[
        Step {
            head: "POST /services/Soap/u/39.0 HTTP/1.1\r\nContent-Type: text/xml\r\n\
                SOAPAction: \"\"\r\nhost: {host}\r\ncontent-length: {length}\r\n\
                Connection: close\r\n\r\n",
            body: "<se:Envelope xmlns:se=\"http://schemas.xmlsoap.org/soap/envelope/\">\
                <se:Header/><se:Body><login xmlns=\"urn:partner.soap.sforce.com\">\
                <username>me@example.com</username><password>secret</password></login>\
                </se:Body></se:Envelope>",
            is_compressed: false,
            good: LOGIN,
            retired: None,
            sent: "/services/Soap/u/41.0",
        },
        Step {
            head: "GET /services/data/v39.0/query?q=SELECT%20Id%2C%20Name%20FROM%20Account HTTP/1.1\r\n\
                Authorization: Bearer {session}\r\nhost: {host}\r\nConnection: close\r\n\r\n",
            body: "",
            is_compressed: false,
            good: (200, "\"nextRecordsUrl\":\"/services/data/v41.0/query/"),
            retired: GONE,
            sent: "/services/data/v41.0/query?q=SELECT%20Id%2C%20Name%20FROM%20Account",
        },
        // It goes by the locator alone.
        Step {
            head: "GET /services/data/v39.0/query/{locator} HTTP/1.1\r\n\
                Authorization: Bearer {session}\r\nhost: {host}\r\nConnection: close\r\n\r\n",
            body: "",
            is_compressed: false,
            good: (200, "\"records\":["),
            retired: GONE,
            sent: "/services/data/v41.0/query/{locator}",
        },
    ],
};

/// simple-salesforce 0.74 of 2017, by requests 2.9: `query_all()`.
pub(crate) const SIMPLE_SALESFORCE: OldClient = OldClient {
    name: "simple-salesforce 0.7x",
    steps: &[
        Step {
            head: "POST /services/Soap/u/29.0 HTTP/1.1\r\nHost: {host}\r\n\
                Connection: keep-alive\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\n\
                User-Agent: python-requests/2.9.1\r\nSOAPAction: login\r\n\
                content-type: text/xml\r\ncharset: UTF-8\r\nContent-Length: {length}\r\n\r\n",
            body: "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n        <env:Envelope\n\
                \x20               xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"\n\
                \x20               xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"\n\
                \x20               xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\">\n\
                \x20           <env:Body>\n\
                \x20               <n1:login xmlns:n1=\"urn:partner.soap.sforce.com\">\n\
                \x20                   <n1:username>me@example.com</n1:username>\n\
                \x20                   <n1:password>secret</n1:password>\n\
                \x20               </n1:login>\n            </env:Body>\n        </env:Envelope>",
            is_compressed: false,
            good: LOGIN,
            retired: None,
            sent: "/services/Soap/u/41.0",
        },
        Step {
            head: "GET /services/data/v29.0/query/?q=SELECT+Id+FROM+Account HTTP/1.1\r\n\
                Host: {host}\r\nConnection: keep-alive\r\nAccept-Encoding: gzip, deflate\r\n\
                Accept: */*\r\nUser-Agent: python-requests/2.9.1\r\n\
                Content-Type: application/json\r\nX-PrettyPrint: 1\r\n\
                Authorization: Bearer {session}\r\n\r\n",
            body: "",
            is_compressed: false,
            good: (200, "/services/data/v41.0/query/"),
            retired: GONE,
            sent: "/services/data/v41.0/query/?q=SELECT+Id+FROM+Account",
        },
        // It goes by the URL as it is.
        Step {
            head: "GET {next} HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\n\
                Accept-Encoding: gzip, deflate\r\nAccept: */*\r\n\
                User-Agent: python-requests/2.9.1\r\nContent-Type: application/json\r\n\
                X-PrettyPrint: 1\r\nAuthorization: Bearer {session}\r\n\r\n",
            body: "",
            is_compressed: false,
            good: (200, "\"records\": ["),
            retired: None,
            sent: "{next}",
        },
    ],
};

/// Beatbox 0.9x of 2006, by Python 2's `httplib`, with its first version: `login()` and `query()`.
pub(crate) const BEATBOX: OldClient = OldClient {
    name: "beatbox",
    steps: &[
        Step {
            head: "POST /services/Soap/u/7.0 HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\
                SOAPAction: \"\"\r\naccept-encoding: gzip\r\ncontent-encoding: gzip\r\n\
                User-Agent: BeatBox/0.9\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n",
            body: "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<s:Envelope \
                xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                xmlns:p=\"urn:partner.soap.sforce.com\" \
                xmlns:o=\"urn:sobject.partner.soap.sforce.com\" \
                xmlns:x=\"http://www.w3.org/2001/XMLSchema-instance\"><s:Header>\n\
                <p:CallOptions><p:client>BeatBox/0.9</p:client></p:CallOptions>\n</s:Header>\
                <s:Body>\n<p:login><p:username>me@example.com</p:username>\
                <p:password>secret</p:password></p:login></s:Body></s:Envelope>",
            is_compressed: true,
            good: LOGIN,
            retired: Some((
                500,
                "orgproxy: the path has no API version that supports logins",
            )),
            sent: "/services/Soap/u/41.0",
        },
        Step {
            head: "POST /services/Soap/u/7.0/00Dxx0000001gPL HTTP/1.1\r\nHost: {host}\r\n\
                Content-Length: {length}\r\nSOAPAction: \"\"\r\naccept-encoding: gzip\r\n\
                content-encoding: gzip\r\nUser-Agent: BeatBox/0.9\r\n\
                Content-Type: text/xml; charset=utf-8\r\n\r\n",
            body: "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<s:Envelope \
                xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                xmlns:p=\"urn:partner.soap.sforce.com\" \
                xmlns:o=\"urn:sobject.partner.soap.sforce.com\" \
                xmlns:x=\"http://www.w3.org/2001/XMLSchema-instance\"><s:Header>\n\
                <p:CallOptions><p:client>BeatBox/0.9</p:client></p:CallOptions>\n\
                <p:SessionHeader><p:sessionId>{session}</p:sessionId></p:SessionHeader>\
                <p:QueryOptions><p:batchSize>500</p:batchSize></p:QueryOptions></s:Header>\
                <s:Body>\n<p:query><p:queryString>select Id, Name from Account</p:queryString>\
                </p:query></s:Body></s:Envelope>",
            is_compressed: true,
            good: (200, "<queryResponse>"),
            retired: UNSUPPORTED,
            sent: "/services/Soap/u/41.0/00Dxx0000001gPL",
        },
    ],
};

/// Salesforce's connector for Java with stubs of the partner WSDL 20.0: `query()`.
pub(crate) const WSC_20: OldClient = OldClient {
    name: "WSC 20",
    steps: &[Step {
        head: "POST /services/Soap/u/20.0/00Dxx0000001gPL HTTP/1.1\r\n\
            User-Agent: Salesforce Web Service Connector For Java/1.0\r\n\
            Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\nSOAPAction: \"\"\r\n\
            Content-Type: text/xml; charset=UTF-8\r\nAccept: text/xml\r\nHost: {host}\r\n\
            Connection: keep-alive\r\nContent-Length: {length}\r\n\r\n",
        body: "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope\n   \
            xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"\n   \
            xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"\n   \
            xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n <env:Header>\n  \
            <SessionHeader\n    xmlns=\"urn:partner.soap.sforce.com\">\n   \
            <sessionId>{session}</sessionId>\n  </SessionHeader>\n </env:Header>\n <env:Body>\n  \
            <m:query\n    xmlns:m=\"urn:partner.soap.sforce.com\"\n    \
            xmlns:sobj=\"urn:sobject.partner.soap.sforce.com\">\n   \
            <m:queryString>SELECT Name FROM Account</m:queryString>\n  </m:query>\n </env:Body>\n\
            </env:Envelope>",
        is_compressed: true,
        good: (200, "<queryResponse>"),
        retired: UNSUPPORTED,
        sent: "/services/Soap/u/41.0/00Dxx0000001gPL",
    }],
};

/// The same with stubs of the enterprise WSDL 30.0: `getUserInfo()`.
pub(crate) const WSC_30: OldClient = OldClient {
    name: "WSC 30",
    steps: &[Step {
        head: "POST /services/Soap/c/30.0/00Dxx0000001gPL HTTP/1.1\r\n\
            User-Agent: Salesforce Web Service Connector For Java/1.0\r\n\
            Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\nSOAPAction: \"\"\r\n\
            Content-Type: text/xml; charset=UTF-8\r\nAccept: text/xml\r\nHost: {host}\r\n\
            Connection: keep-alive\r\nContent-Length: {length}\r\n\r\n",
        body: "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope \
            xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
            xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
            xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><env:Header>\
            <SessionHeader xmlns=\"urn:enterprise.soap.sforce.com\"><sessionId>{session}</sessionId>\
            </SessionHeader></env:Header><env:Body>\
            <m:getUserInfo xmlns:m=\"urn:enterprise.soap.sforce.com\" \
            xmlns:sobj=\"urn:sobject.enterprise.soap.sforce.com\"></m:getUserInfo></env:Body>\
            </env:Envelope>",
        is_compressed: true,
        good: (200, "<getUserInfoResponse>"),
        retired: UNSUPPORTED,
        sent: "/services/Soap/c/41.0/00Dxx0000001gPL",
    }],
};

/// The same with stubs of 39.0: a job of the Bulk API, and `describeMetadata()`.
pub(crate) const WSC_39: OldClient = OldClient {
    name: "WSC 39",
    steps: &[
        Step {
            head: "POST /services/async/39.0/job/ HTTP/1.1\r\n\
                User-Agent: Salesforce Web Service Connector For Java/1.0\r\n\
                Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\n\
                Content-Type: application/xml; charset=UTF-8\r\nX-SFDC-Session: {session}\r\n\
                Host: {host}\r\nAccept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\n\
                Connection: keep-alive\r\nContent-Length: {length}\r\n\r\n",
            body: "<?xml version=\"1.0\" encoding=\"UTF-8\"?><jobInfo \
                xmlns=\"http://www.force.com/2009/06/asyncapi/dataload\">\
                <operation>insert</operation><object>Account</object>\
                <contentType>CSV</contentType></jobInfo>",
            is_compressed: true,
            good: (201, "<apiVersion>41.0</apiVersion>"),
            retired: Some((400, "<exceptionCode>InvalidVersion</exceptionCode>")),
            sent: "/services/async/41.0/job/",
        },
        Step {
            head: "POST /services/Soap/m/39.0/00Dxx0000001gPL HTTP/1.1\r\n\
                User-Agent: Salesforce Web Service Connector For Java/1.0\r\n\
                Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\nSOAPAction: \"\"\r\n\
                Content-Type: text/xml; charset=UTF-8\r\nAccept: text/xml\r\nHost: {host}\r\n\
                Connection: keep-alive\r\nContent-Length: {length}\r\n\r\n",
            body: "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope \
                xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
                xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><env:Header>\
                <SessionHeader xmlns=\"http://soap.sforce.com/2006/04/metadata\">\
                <sessionId>{session}</sessionId></SessionHeader></env:Header><env:Body>\
                <m:describeMetadata xmlns:m=\"http://soap.sforce.com/2006/04/metadata\">\
                <m:asOfVersion>39.0</m:asOfVersion></m:describeMetadata></env:Body>\
                </env:Envelope>",
            is_compressed: true,
            good: (200, "<describeMetadataResponse>"),
            retired: UNSUPPORTED,
            sent: "/services/Soap/m/41.0/00Dxx0000001gPL",
        },
    ],
};

/// restforce 1.x of 2013, with Faraday and Net::HTTP: a query and `create()`; and a later one with
/// Composite Batch.
pub(crate) const RESTFORCE: OldClient = OldClient {
    name: "restforce",
    steps: &[
        Step {
            head: "GET /services/data/v26.0/query?q=select+Id+from+Account HTTP/1.1\r\n\
                User-Agent: Faraday v0.8.9\r\nAuthorization: OAuth {session}\r\n\
                Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: */*\r\n\
                Connection: close\r\nHost: {host}\r\n\r\n",
            body: "",
            is_compressed: false,
            good: (200, "\"attributes\":{\"type\":\"Account\""),
            retired: GONE,
            sent: "/services/data/v41.0/query?q=select+Id+from+Account",
        },
        Step {
            head: "POST /services/data/v26.0/sobjects/Account HTTP/1.1\r\n\
                User-Agent: Faraday v0.8.9\r\nContent-Type: application/json\r\n\
                Authorization: OAuth {session}\r\nContent-Length: {length}\r\n\
                Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: */*\r\n\
                Connection: close\r\nHost: {host}\r\n\r\n",
            body: "{\"Name\":\"Foobar Inc.\"}",
            is_compressed: false,
            good: (201, "\"success\":true"),
            retired: GONE,
            sent: "/services/data/v41.0/sobjects/Account",
        },
        Step {
            head: "POST /services/data/v38.0/composite/batch HTTP/1.1\r\n\
                User-Agent: Faraday v0.15.4\r\nContent-Type: application/json\r\n\
                Authorization: OAuth {session}\r\n\
                Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: */*\r\n\
                Connection: close\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n",
            body: "{\"batchRequests\":[{\"method\":\"PATCH\",\
                \"url\":\"v38.0/sobjects/Account/{account}\",\
                \"richInput\":{\"Name\":\"Whizbang Corp\"}},{\"method\":\"DELETE\",\
                \"url\":\"v38.0/sobjects/Account/{account}\"}],\"haltOnError\":false}",
            is_compressed: false,
            good: (200, "\"hasErrors\":false"),
            retired: GONE,
            sent: "/services/data/v41.0/composite/batch",
        },
    ],
};

/// Data Loader 30 of 2014: `login()` and `describeSObjects()`.
pub(crate) const DATA_LOADER: OldClient = OldClient {
    name: "Data Loader",
    steps: &[
        Step {
            head: "POST /services/Soap/u/30.0 HTTP/1.1\r\nContent-Encoding: gzip\r\n\
                Accept-Encoding: gzip\r\nSOAPAction: \"\"\r\nAccept: text/xml\r\n\
                User-Agent: Salesforce Web Service Connector For Java/1.0\r\n\
                Content-Type: text/xml; charset=UTF-8\r\nContent-Length: {length}\r\n\
                Host: {host}\r\nConnection: Keep-Alive\r\n\r\n",
            body: "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope \
                xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
                xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><env:Header>\
                <CallOptions xmlns=\"urn:partner.soap.sforce.com\">\
                <client>DataLoaderPartnerUI/30.0</client></CallOptions></env:Header><env:Body>\
                <m:login xmlns:m=\"urn:partner.soap.sforce.com\" \
                xmlns:sobj=\"urn:sobject.partner.soap.sforce.com\">\
                <m:username>me@example.com</m:username><m:password>secret</m:password></m:login>\
                </env:Body></env:Envelope>",
            is_compressed: true,
            good: LOGIN,
            retired: None,
            sent: "/services/Soap/u/41.0",
        },
        Step {
            head: "POST /services/Soap/u/30.0/00Dxx0000001gPL HTTP/1.1\r\n\
                Content-Encoding: gzip\r\nAccept-Encoding: gzip\r\nSOAPAction: \"\"\r\n\
                Accept: text/xml\r\nUser-Agent: Salesforce Web Service Connector For Java/1.0\r\n\
                Content-Type: text/xml; charset=UTF-8\r\nContent-Length: {length}\r\n\
                Host: {host}\r\nConnection: Keep-Alive\r\n\r\n",
            body: "<?xml version=\"1.0\" encoding=\"UTF-8\"?><env:Envelope \
                xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\" \
                xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
                xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><env:Header>\
                <CallOptions xmlns=\"urn:partner.soap.sforce.com\">\
                <client>DataLoaderPartnerUI/30.0</client></CallOptions>\
                <SessionHeader xmlns=\"urn:partner.soap.sforce.com\"><sessionId>{session}</sessionId>\
                </SessionHeader></env:Header><env:Body>\
                <m:describeSObjects xmlns:m=\"urn:partner.soap.sforce.com\" \
                xmlns:sobj=\"urn:sobject.partner.soap.sforce.com\">\
                <m:sObjectType>Account</m:sObjectType></m:describeSObjects></env:Body>\
                </env:Envelope>",
            is_compressed: true,
            good: (200, "<describeSObjectsResponse>"),
            retired: UNSUPPORTED,
            sent: "/services/Soap/u/41.0/00Dxx0000001gPL",
        },
    ],
};

/// A CometD client by EMP Connector and Jetty, which replays events as before 37.0.
pub(crate) const COMETD: OldClient = OldClient {
    name: "CometD",
    steps: &[
        Step {
            head: "POST /cometd/replay/36.0/handshake HTTP/1.1\r\nAccept-Encoding: gzip\r\n\
                User-Agent: Jetty/9.3.8.v20160314\r\nContent-Type: application/json;charset=UTF-8\r\n\
                Authorization: Bearer {session}\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n",
            body: "[{\"ext\":{\"replay\":true},\
                \"supportedConnectionTypes\":[\"long-polling\"],\"channel\":\"/meta/handshake\",\
                \"id\":\"1\",\"version\":\"1.0\"}]",
            is_compressed: false,
            good: (200, "\"successful\":true"),
            retired: Some((
                200,
                "400::Unsupported API version. Only API versions '41.0' and above are supported.",
            )),
            sent: "/cometd/41.0/handshake",
        },
        Step {
            head: "POST /cometd/replay/36.0/ HTTP/1.1\r\nAccept-Encoding: gzip\r\n\
                User-Agent: Jetty/9.3.8.v20160314\r\nContent-Type: application/json;charset=UTF-8\r\n\
                Authorization: Bearer {session}\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n",
            body: "[{\"clientId\":\"{stream}\",\"ext\":{\"replay\":{\"/topic/Accounts\":-1}},\
                \"channel\":\"/meta/subscribe\",\"id\":\"3\",\"subscription\":\"/topic/Accounts\"}]",
            is_compressed: false,
            good: (200, "\"successful\":true"),
            retired: None,
            sent: "/cometd/41.0/",
        },
    ],
};
