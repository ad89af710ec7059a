//! The metadata of the app: a project that the Salesforce CLI deploys.
//!
//! Types, fields, their order and their folders are those of the Metadata API (its WSDL, version
//! 63.0, and the registry of the CLI's own library); tests compare every file with them. Fields
//! come in alphabetical order, which is the schema's. The README of the package names what only a
//! live org can confirm.

use std::path::{Path, PathBuf};

use quick_xml::escape::escape;

use crate::system::terminal::quoted;

/// The facts about an app.
pub(super) struct App<'a> {
    /// The name of the org in the configuration.
    pub(super) name: &'a str,
    /// The consumer key.
    pub(super) client_id: &'a str,
    /// The address that Salesforce may write to about the app.
    pub(super) email: &'a str,
    /// The public half of the key.
    pub(super) certificate_pem: &'a str,
    /// A connected app, for orgs that can still have a new one.
    pub(super) classic: bool,
}

/// The files of the package, each with its path in it.
pub(super) fn files(app: &App<'_>) -> Vec<(PathBuf, String)> {
    let name = developer_name(app.name);
    let mut files = vec![
        ("README.md".into(), readme(app, &name)),
        ("sfdx-project.json".into(), PROJECT.to_owned()),
        (
            format!("access/permissionsets/{name}.permissionset-meta.xml").into(),
            permission_set(&name),
        ),
    ];
    if app.classic {
        files.push((
            format!("app/connectedApps/{name}.connectedApp-meta.xml").into(),
            connected_app(app, &name),
        ));
    } else {
        files.extend(external_client_app(app, &name));
    }
    files
}

/// The commands to paste into a shell in the package's `folder`, once the CLI knows the org as
/// ALIAS.
///
/// The permission set goes first and alone, because it is undocumented whether the app may refer to
/// one of the same deployment. It is assigned before the app asks for it, so that nobody is locked
/// out of an app that exists already.
pub(super) fn deployment(name: &str, folder: &Path, username: &str) -> String {
    let name = developer_name(name);
    format!(
        "cd {folder}\n\
         sf project deploy start --source-dir access --target-org ALIAS &&\n  \
         sf org assign permset --name {name} \\\n    \
         --on-behalf-of {username} --target-org ALIAS &&\n  \
         sf project deploy start --source-dir app --target-org ALIAS",
        folder = quoted(&folder.display().to_string()),
        username = quoted(username),
    )
}

/// A name that the Metadata API accepts: letters, digits and single underscores, none of them last;
/// at most 40 characters, so that every type has room for it.
pub(super) fn developer_name(name: &str) -> String {
    let mut developer_name = "orgproxy".to_owned();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()) {
        if !part.is_empty() {
            developer_name.push('_');
            developer_name.push_str(part);
        }
    }
    developer_name.truncate(40);
    developer_name.trim_end_matches('_').to_owned()
}

fn external_client_app(app: &App<'_>, name: &str) -> [(PathBuf, String); 5] {
    let label = label(app);
    let email = escape(app.email);
    let client_id = escape(app.client_id);
    [
        (
            format!("app/externalClientApps/{name}.eca-meta.xml").into(),
            document(
                "ExternalClientApplication",
                &[
                    ("contactEmail", &email),
                    ("description", DESCRIPTION),
                    ("distributionState", "Local"),
                    ("isProtected", "false"),
                    ("label", &label),
                ],
            ),
        ),
        (
            format!("app/extlClntAppGlobalOauthSets/{name}_glbloauth.ecaGlblOauth-meta.xml").into(),
            document(
                "ExtlClntAppGlobalOauthSettings",
                &[
                    ("callbackUrl", CALLBACK),
                    // Its presence enables the JWT bearer flow; a later deployment without it
                    // disables the flow.
                    ("certificate", app.certificate_pem),
                    ("consumerKey", &client_id),
                    ("externalClientApplication", name),
                    ("isConsumerSecretOptional", "false"),
                    // With it, SOAP would refuse the access tokens: see
                    // salesforce::facts::sessions.
                    ("isNamedUserJwtEnabled", "false"),
                    ("isPkceRequired", "true"),
                    ("isSecretRequiredForRefreshToken", "true"),
                    ("label", &label),
                    ("shouldRotateConsumerKey", "false"),
                    ("shouldRotateConsumerSecret", "false"),
                ],
            ),
        ),
        (
            format!("app/extlClntAppOauthSettings/{name}_oauth.ecaOauth-meta.xml").into(),
            document(
                "ExtlClntAppOauthSettings",
                &[
                    // Without the second scope the flow is refused, although it returns no refresh
                    // token.
                    ("commaSeparatedOauthScopes", "Api, RefreshToken"),
                    ("externalClientApplication", name),
                    ("label", &label),
                ],
            ),
        ),
        // An org creates the policies itself, under these names; under other names they would
        // conflict.
        (
            format!(
                "app/extlClntAppOauthPolicies/{name}_oauth_defaultPolicy.ecaOauthPlcy-meta.xml"
            )
            .into(),
            document(
                "ExtlClntAppOauthConfigurablePolicies",
                &[
                    // The name, not the id.
                    ("commaSeparatedPermissionSet", name),
                    ("externalClientApplication", name),
                    ("ipRelaxationPolicyType", "Enforce"),
                    ("isClientCredentialsFlowEnabled", "false"),
                    ("isGuestCodeCredFlowEnabled", "false"),
                    ("isTokenExchangeFlowEnabled", "false"),
                    ("label", &label),
                    ("permittedUsersPolicyType", "AdminApprovedPreAuthorized"),
                    ("refreshTokenPolicyType", "Zero"),
                    ("requiredSessionLevel", "STANDARD"),
                ],
            ),
        ),
        (
            format!("app/extlClntAppPolicies/{name}_defaultPolicy.ecaPlcy-meta.xml").into(),
            document(
                "ExtlClntAppConfigurablePolicies",
                &[
                    ("externalClientApplication", name),
                    ("isEnabled", "true"),
                    ("isOauthPluginEnabled", "true"),
                    ("label", &label),
                    ("startPage", "None"),
                ],
            ),
        ),
    ]
}

fn connected_app(app: &App<'_>, name: &str) -> String {
    let fields = [
        ("contactEmail", &*escape(app.email)),
        ("description", DESCRIPTION),
        ("label", &label(app)),
    ];
    let oauth = [
        ("callbackUrl", CALLBACK),
        ("certificate", app.certificate_pem),
        ("consumerKey", &*escape(app.client_id)),
        ("isAdminApproved", "true"),
        ("isConsumerSecretOptional", "false"),
        ("scopes", "Api"),
        ("scopes", "RefreshToken"),
    ];
    let policy = [("ipRelaxation", "ENFORCE"), ("refreshTokenPolicy", "zero")];
    root(
        "ConnectedApp",
        &format!(
            "{}    <oauthConfig>\n{}    </oauthConfig>\n    <oauthPolicy>\n{}    </oauthPolicy>\n{}",
            elements(4, &fields),
            elements(8, &oauth),
            elements(8, &policy),
            elements(4, &[("permissionSetName", name)]),
        ),
    )
}

/// A permission set that grants only the right to use the app.
fn permission_set(name: &str) -> String {
    document(
        "PermissionSet",
        &[
            (
                "description",
                "Lets its users log in through orgproxy. Grants nothing else.",
            ),
            ("hasActivationRequired", "false"),
            ("label", &name.replace('_', " ")),
        ],
    )
}

fn label(app: &App<'_>) -> String {
    developer_name(app.name).replace('_', " ")
}

fn document(kind: &str, fields: &[(&str, &str)]) -> String {
    root(kind, &elements(4, fields))
}

fn root(kind: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <{kind} xmlns=\"http://soap.sforce.com/2006/04/metadata\">\n{content}</{kind}>\n"
    )
}

/// XML elements. The values are XML already.
fn elements(indent: usize, fields: &[(&str, &str)]) -> String {
    fields
        .iter()
        .map(|(name, value)| format!("{:indent$}<{name}>{value}</{name}>\n", ""))
        .collect()
}

fn readme(app: &App<'_>, name: &str) -> String {
    let what = if app.classic {
        CONNECTED_APP
    } else {
        EXTERNAL_CLIENT_APP
    };
    README.replace("{name}", name).replace("{what}", what)
}

const DESCRIPTION: &str = "orgproxy: API access by the OAuth 2.0 JWT bearer flow";

/// Never used: the flow has no redirects, but the form requires the field.
const CALLBACK: &str = "http://localhost:1717/OauthRedirect";

const PROJECT: &str = r#"{
  "packageDirectories": [
    { "path": "access" },
    { "path": "app", "default": true }
  ],
  "namespace": "",
  "sourceApiVersion": "64.0"
}
"#;

const README: &str = "\
# The app that lets orgproxy log in

Deploy it with the Salesforce CLI, from this folder. ALIAS is the name that the CLI has for the org
(`sf org login web --alias ALIAS` gives it one), USERNAME the user that orgproxy logs in as:

    sf project deploy start --source-dir access --target-org ALIAS
    sf org assign permset --name {name} --on-behalf-of USERNAME --target-org ALIAS
    sf project deploy start --source-dir app --target-org ALIAS

Then wait 2 to 10 minutes, sometimes 30, and run `orgproxy doctor`. There is no secret in here: the
private key stays where orgproxy runs.

{what}
## Good to know

- Deploy the permission set first: an app may refer to one that exists in the org; whether it may
  refer to one in the same deployment is not documented.
- Deploying the app without its certificate disables the flow. To change the certificate, deploy the
  whole package again (`orgproxy init --rotate-key` writes it).
- A sandbox that is copied or refreshed does not have the app: deploy it there.
- If the org gave the app another consumer key than the one in here, logins fail with
  `invalid_client_id` or `app_not_found`: copy the key from Setup into `client_id` of proxy.toml.
";

const EXTERNAL_CLIENT_APP: &str = "\
## What was verified, and what was not

Against the schema of the Metadata API (its WSDL, version 63.0) and the registry of the CLI's library
(source-deploy-retrieve): every type, folder, file suffix, field, value of an enumeration, and the
order of fields. Against Salesforce's documentation of the Metadata API:

- `certificate` enables the JWT bearer flow (API version 60.0 and later).
- `consumerKey` may be given. Which forms it may have is not documented for external client apps;
  64 hexadecimal digits also fit the rule for connected apps (8 to 256 letters and digits,
  globally unique, set only when the app is created).
- Permitted users, IP relaxation, session level and the life of refresh tokens are policies.

From projects that deploy such packages, because the documentation differs or says nothing: the
permission set is named, not given by its id; the scope RefreshToken is needed; the policies are named
`…_defaultPolicy`, as the org itself names them.

Not verified, because it takes a live org: whether it accepts these files as they are. If it rejects
the certificate, leave out the lines BEGIN and END. If it rejects the consumer key, leave it out, and
copy the one that the org creates.
";

const CONNECTED_APP: &str = "\
## What was verified, and what was not

Since spring 2026 orgs refuse new connected apps, those of the Metadata API included, unless Salesforce
Support has allowed them (help article 005228017). Use the external client app where you can.

Against the schema of the Metadata API (its WSDL, version 63.0) and the registry of the CLI's library
(source-deploy-retrieve): every type, folder, file suffix, field, value of an enumeration, and the
order of fields. Against Salesforce's documentation of the Metadata API: `certificate` is PEM;
`consumerKey` is 8 to 256 letters and digits, globally unique, and can be set only when the app is
created; `permissionSetName` needs `isAdminApproved`.

Not verified, because it takes a live org: whether it accepts these files as they are.
";

#[cfg(test)]
mod tests {
    use quick_xml::{Reader, events::Event};

    use super::*;

    fn app(classic: bool) -> App<'static> {
        App {
            name: "acme-dev",
            client_id: "0123abcd",
            email: "a&b@example.com",
            certificate_pem: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            classic,
        }
    }

    #[test]
    fn names_are_those_that_the_metadata_api_takes() {
        for (name, expected) in [
            ("main", "orgproxy_main"),
            ("acme--dev_", "orgproxy_acme_dev"),
            ("9", "orgproxy_9"),
            ("-", "orgproxy"),
        ] {
            assert_eq!(developer_name(name), expected);
        }
        let long = developer_name(&"ab-".repeat(40));
        assert!(long.len() <= 40 && !long.ends_with('_'), "{long}");
    }

    #[test]
    fn each_file_is_whole_xml_with_its_fields_in_the_order_of_the_schema() {
        for classic in [false, true] {
            let files = files(&app(classic));
            let xml: Vec<_> = files
                .iter()
                .filter(|(path, _)| path.extension().is_some_and(|kind| kind == "xml"))
                .collect();
            assert_eq!(xml.len(), if classic { 2 } else { 6 });
            for (path, text) in xml {
                let fields = fields(text);
                let mut sorted = fields.clone();
                sorted.sort();
                assert_eq!(fields, sorted, "{}", path.display());
            }
        }
    }

    #[test]
    fn what_is_the_app_s_own_is_in_it() {
        let of = |classic| -> String {
            files(&app(classic))
                .into_iter()
                .map(|(_, text)| text)
                .collect()
        };
        for text in [of(false), of(true)] {
            assert!(text.contains("<consumerKey>0123abcd</consumerKey>"));
            assert!(text.contains("<contactEmail>a&amp;b@example.com</contactEmail>"));
            assert!(text.contains("<certificate>-----BEGIN CERTIFICATE-----\nMIIB\n"));
            assert!(!text.contains("{name}") && !text.contains("{what}"));
        }
        assert!(of(true).contains("<permissionSetName>orgproxy_acme_dev</permissionSetName>"));
        assert!(of(false).contains("AdminApprovedPreAuthorized"));
    }

    #[test]
    fn what_is_to_be_pasted_is_quoted() {
        let lines = deployment("main", Path::new("my files/main"), "o'hara$x@acme.com");
        assert!(lines.starts_with("cd 'my files/main'\n"), "{lines}");
        let user = r"--on-behalf-of 'o'\''hara$x@acme.com' --target-org";
        assert!(lines.contains(user), "{lines}");
    }

    /// The names of the elements right below the root.
    fn fields(text: &str) -> Vec<String> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let (mut depth, mut fields) = (0, Vec::new());
        loop {
            match reader.read_event().unwrap() {
                Event::Start(start) => {
                    if depth == 1 {
                        fields.push(start.name().as_ref().to_owned());
                    }
                    depth += 1;
                }
                Event::End(_) => depth -= 1,
                Event::Eof => break,
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        fields
    }
}
