//! The user, and the time.

use super::xml::Xml;
use crate::demo::{Inner, id::ORG_ID, identity::User};

impl Inner {
    /// `GetUserInfoResult`, in the order of the WSDL.
    pub(super) fn user_info(&self, user: &User, version: usize, xml: &mut Xml) {
        let seconds = self.knobs().session_timeout.as_secs();
        xml.within("result", |xml| {
            xml.bool("accessibilityMode", false);
            if version > 38 {
                xml.bool("chatterExternal", false);
            }
            xml.text("currencySymbol", "$");
            xml.text("orgAttachmentFileSizeLimit", "5242880");
            xml.text("orgDefaultCurrencyIsoCode", "USD");
            xml.text("orgDefaultCurrencyLocale", "en_US");
            xml.bool("orgDisallowHtmlAttachments", false);
            xml.bool("orgHasPersonAccounts", false);
            xml.text("organizationId", ORG_ID);
            xml.bool("organizationMultiCurrency", false);
            xml.text("organizationName", "Demo Org");
            xml.text("profileId", "00exx0000000001AAA");
            xml.nil("roleId");
            xml.text("sessionSecondsValid", &seconds.to_string());
            xml.nil("userDefaultCurrencyIsoCode");
            xml.text("userEmail", &user.name);
            xml.text("userFullName", "Integration User");
            xml.text("userId", &user.id);
            xml.text("userLanguage", "en_US");
            xml.text("userLocale", "en_US");
            xml.text("userName", &user.name);
            xml.text("userTimeZone", "America/Los_Angeles");
            xml.text("userType", "Standard");
            xml.text("userUiSkin", "Theme3");
        });
    }
}

/// `GetServerTimestampResult`
pub(super) fn server_timestamp(xml: &mut Xml) {
    let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
    xml.within("result", |xml| xml.text("timestamp", &now.to_string()));
}
