//! The checks that one policy makes.

use std::fmt::Display;

use http::Method;

use super::{
    ask::Ask,
    names, objects,
    refused::{List, Refused, Switch, Why},
};
use crate::{
    config::{Names, Policy},
    proxy::{path::words, target::Target},
};

/// One policy, which is asked about each thing that a request would do.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    policy: &'a Policy,
}

/// The first reason against a request, if there is one.
pub(super) type Judged = Result<(), Box<Refused>>;

/// The object that something is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Object<'a> {
    Named(&'a str),
    /// One that cannot be told, but has nothing to do with users and permissions.
    Other,
    /// Perhaps any.
    Unknown,
}

impl<'a> Object<'a> {
    /// The object of this name, if it can be one.
    pub(super) fn of(name: &'a str) -> Self {
        if is_name(name) {
            Self::Named(name)
        } else {
            Self::Unknown
        }
    }
}

impl<'a> Judge<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        Self { policy }
    }

    /// Checks the method and the path of `ask`, and returns all the ways to read that path.
    pub(super) fn readings(self, ask: &Ask<'_>) -> Result<Vec<Vec<u8>>, Box<Refused>> {
        let Some(readings) = ask.readings() else {
            self.unplaced(ask, "its path can be read in too many ways")?;
            return Ok(Vec::new());
        };
        for method in ask.methods() {
            self.place(ask, method, &readings)?;
        }
        Ok(readings)
    }

    fn place(self, what: &dyn Display, method: &str, readings: &[Vec<u8>]) -> Judged {
        let policy = self.policy;
        if let Some(methods) = &policy.methods
            && !methods.iter().map(Method::as_str).any(|it| it == method)
        {
            return self.refuse(what, Why::Method);
        }
        let is_below =
            |paths: &[String], reading: &[u8]| paths.iter().any(|it| is_below(reading, it));
        let mut readings = readings.iter().map(Vec::as_slice);
        if let Some(paths) = &policy.paths
            && !readings.clone().all(|reading| is_below(paths, reading))
        {
            return self.refuse(what, Why::OutsidePaths);
        }
        // A site has the same APIs, below its own path.
        let is_denied = |reading: &[u8]| {
            let site = Target::parse(reading).site.len();
            let own = reading.get(site..).unwrap_or_default();
            [reading, own]
                .iter()
                .any(|it| is_below(&policy.deny_paths, it))
        };
        if !policy.deny_paths.is_empty() && readings.any(is_denied) {
            return self.refuse(what, Why::DeniedPath);
        }
        Ok(())
    }

    /// Returns whether the policy takes what is at this path for reading.
    pub(super) fn is_read_path(self, path: &[u8]) -> bool {
        self.policy.read_paths.iter().any(|it| is_below(path, it))
    }

    /// Something whose effect is not known: code of the org's own, or a path that is not in the
    /// tables.
    pub(super) fn unknown(self, what: &dyn Display) -> Judged {
        if self.policy.read_only || self.limits_reading() || self.limits_writing() {
            return self.refuse(what, Why::Unknown);
        }
        Ok(())
    }

    /// Something that has the org read the names of objects and fields in another way.
    pub(super) fn renames(self, what: &dyn Display) -> Judged {
        if self.limits_reading() || self.limits_writing() {
            let why =
                "its defaultNamespace gives objects and fields other names; write them in full";
            return self.refuse(what, Why::Unclear(why.to_owned()));
        }
        Ok(())
    }

    /// Something that would have to be read to be judged, and cannot be.
    pub(super) fn unclear(self, what: &dyn Display, why: impl Display) -> Judged {
        if self.looks() {
            return self.refuse(what, Why::Unclear(why.to_string()));
        }
        Ok(())
    }

    /// Something of which it cannot even be told where it leads, so that methods and paths count as well.
    pub(super) fn unplaced(self, what: &dyn Display, why: impl Display) -> Judged {
        if self.looks_within() {
            return self.refuse(what, Why::Unclear(why.to_string()));
        }
        Ok(())
    }

    /// Something that hands out a session.
    pub(super) fn hands_out(self, what: &dyn Display) -> Judged {
        self.refuse(what, Why::HandsOut)
    }

    /// Something that leaves a trace where one reads, such as the time when a record was viewed.
    pub(super) fn leaves_trace(self, what: &dyn Display) -> Judged {
        if self.policy.read_only {
            return self.refuse(what, Why::Writes);
        }
        Ok(())
    }

    /// Something that has a switch of its own.
    pub(super) fn switch(self, what: &dyn Display, switch: Switch) -> Judged {
        self.leaves_trace(what)?;
        let is_on = match switch {
            Switch::ExecuteAnonymous => self.policy.execute_anonymous,
            Switch::MetadataDeploy => self.policy.metadata_deploy,
            Switch::Setup => self.policy.setup,
        };
        if !is_on {
            return self.refuse(what, Why::Switch(switch));
        }
        if switch != Switch::Setup && (self.limits_reading() || self.limits_writing()) {
            let why =
                "code and metadata reach every object, and the policy limits objects or fields";
            return self.unclear(what, why);
        }
        Ok(())
    }

    /// Something that changes records of `object`.
    pub(super) fn write(self, what: &dyn Display, object: Object<'_>) -> Judged {
        self.leaves_trace(what)?;
        match object {
            Object::Named(name) if objects::is_setup(name) => self.switch(what, Switch::Setup)?,
            Object::Named(name) if objects::is_metadata(name) => {
                self.switch(what, Switch::MetadataDeploy)?;
            }
            Object::Unknown if !self.policy.setup => {
                let why = "it may be about users or permissions (setup)";
                return self.unclear(what, why);
            }
            _ => {}
        }
        self.object(what, object, List::Write)
    }

    /// Something that shows records of `object`.
    pub(super) fn read(self, what: &dyn Display, object: Object<'_>) -> Judged {
        self.object(what, object, List::Read)
    }

    fn object(self, what: &dyn Display, object: Object<'_>, kind: List) -> Judged {
        let policy = self.policy;
        let (list, is_limited) = match kind {
            List::Write => (policy.write_objects.as_ref(), self.limits_writing()),
            List::Read | List::Deny => (policy.read_objects.as_ref(), self.limits_reading()),
        };
        let denied = &policy.deny_objects;
        let Object::Named(name) = object else {
            if is_limited {
                return self.unclear(what, "it cannot be told which objects it is about");
            }
            return Ok(());
        };
        if denied.denies(name) {
            return self.refuse(what, Why::Object(name.to_owned(), List::Deny));
        }
        let is_named = list.is_some_and(|list| !list.has_all() && list.has(name));
        let sources = names::sources(name);
        let has_any = sources.iter().any(|source| objects::is_of_any(source));
        let is_of_any = objects::is_of_any(name) || has_any;
        if kind == List::Read && !is_named && self.limits_reading() && is_of_any {
            let why = format!(
                "{name} shows records of whatever objects; if it may be read, name it in \
                 read_objects"
            );
            return self.unclear(what, why);
        }
        // Its history, its shares.
        for source in sources {
            if denied.denies(&source) {
                return self.refuse(what, Why::Object(source, List::Deny));
            }
            if kind == List::Read {
                self.read_all(what, &source)?;
            }
        }
        match list {
            Some(list) if !list.has(name) => self.refuse(what, Why::Object(name.to_owned(), kind)),
            _ => Ok(()),
        }
    }

    /// Something that shows metadata of this kind.
    pub(super) fn show_kind(self, what: &dyn Display, kind: &str) -> Judged {
        if self.policy.deny_objects.denies(kind) {
            return self.refuse(what, Why::Object(kind.to_owned(), List::Deny));
        }
        Ok(())
    }

    /// Reading this field of `object`.
    pub(super) fn read_field(self, what: &dyn Display, object: &str, field: &str) -> Judged {
        self.field(what, object, field, List::Read)
    }

    /// Writing this field of `object`.
    pub(super) fn write_field(self, what: &dyn Display, object: &str, field: &str) -> Judged {
        if !is_name(field) {
            return self.unclear(what, "it names a field in an unusual way");
        }
        self.field(what, object, field, List::Write)
    }

    fn field(self, what: &dyn Display, object: &str, field: &str, kind: List) -> Judged {
        let listed = match kind {
            List::Write => &self.policy.write_fields,
            List::Read | List::Deny => &self.policy.read_fields,
        };
        let name = || format!("{object}.{field}");
        if self.policy.deny_fields.deny(object, field) {
            return self.refuse(what, Why::Field(name(), List::Deny));
        }
        if !self.policy.deny_fields.is_empty() {
            let mut related = names::related(object, field).into_iter();
            let denied =
                related.find(|(object, field)| self.policy.deny_fields.deny(object, field));
            if let Some((object, field)) = denied {
                return self.refuse(what, Why::Field(format!("{object}.{field}"), List::Deny));
            }
            self.field_of_person(what, object, field)?;
        }
        if names::is_account(object) && self.denies_persons() && names::is_of_contact(field) {
            return self.refuse(what, Why::Object(names::CONTACT.to_owned(), List::Deny));
        }
        if listed.are_of(object) && !listed.has(object, field) {
            return self.refuse(what, Why::Field(name(), kind));
        }
        Ok(())
    }

    /// The same field where a person account has it of its contact, or the contact of its account.
    fn field_of_person(self, what: &dyn Display, object: &str, field: &str) -> Judged {
        let denied = &self.policy.deny_fields;
        let is_denied = |object: &str, field: &str| {
            // Who denies all of an account does not mean all of its contacts.
            denied.deny(object, field) && !(names::is_account(object) && denied.has(object, "*"))
        };
        let mut same = self.of_person(object, field).into_iter();
        match same.find(|(object, field)| is_denied(object, field)) {
            Some((object, field)) => {
                self.refuse(what, Why::Field(format!("{object}.{field}"), List::Deny))
            }
            None => Ok(()),
        }
    }

    /// What else has the same data in an org that may have person accounts.
    fn of_person(self, object: &str, field: &str) -> Vec<(&'static str, String)> {
        if self.policy.lacks_person_accounts {
            return Vec::new();
        }
        names::of_person(object, field)
    }

    /// Returns whether contacts are denied, and with them what person accounts have of theirs.
    fn denies_persons(self) -> bool {
        !self.policy.lacks_person_accounts && self.policy.deny_objects.denies(names::CONTACT)
    }

    /// Returns whether `object` shows fields of a person that are denied of its contact, or its account.
    fn shows_denied_person(self, object: &str) -> bool {
        if self.policy.lacks_person_accounts {
            return false;
        }
        let denied = &self.policy.deny_fields;
        if names::is_account(object) {
            return self.denies_persons() || denied.are_of(names::CONTACT);
        }
        let mut of_account = denied.named_of(names::ACCOUNT);
        names::is_contact(object) && of_account.any(names::is_shared_by_persons)
    }

    /// Reading all fields of `object`, whatever they are.
    pub(super) fn read_all(self, what: &dyn Display, object: &str) -> Judged {
        let policy = self.policy;
        if self.shows_denied_person(object) {
            let why = format!(
                "it reads all fields of {object}, also those that a person account shares with its contact, \
                 not all of which are allowed; name the fields, or set person_accounts = false if the org has \
                 no person accounts"
            );
            return self.unclear(what, why);
        }
        let is_limited = policy.deny_fields.are_of(object)
            || policy.read_fields.are_of(object) && !policy.read_fields.has(object, "*");
        if is_limited {
            let why = format!("it reads all fields of {object}, not all of which are allowed");
            return self.unclear(what, why);
        }
        Ok(())
    }

    /// Returns whether a field of this name is denied, of whatever object.
    pub(super) fn denies_named(self, field: &str) -> bool {
        let denied = &self.policy.deny_fields;
        let of_person = |object| self.of_person(object, field).into_iter();
        denied.deny_named(field)
            || !denied.is_empty()
                && [names::ACCOUNT, names::CONTACT]
                    .into_iter()
                    .flat_map(of_person)
                    .any(|(object, field)| denied.deny(object, &field))
    }

    /// Returns whether what is read has to be looked at.
    pub(super) fn limits_reading(self) -> bool {
        let policy = self.policy;
        Names::limits(policy.read_objects.as_ref())
            || !policy.deny_objects.is_empty()
            || !policy.deny_fields.is_empty()
            || !policy.read_fields.is_empty()
    }

    /// Returns whether the objects that are written have to be looked at.
    pub(super) fn limits_writing(self) -> bool {
        let policy = self.policy;
        Names::limits(policy.write_objects.as_ref())
            || !policy.deny_objects.is_empty()
            || self.limits_written_fields()
    }

    /// Returns whether the fields that are written have to be looked at. Among them may be one by which
    /// another record is found, which is to read it.
    pub(super) fn limits_written_fields(self) -> bool {
        let policy = self.policy;
        !policy.deny_fields.is_empty()
            || !policy.write_fields.is_empty()
            || !policy.read_fields.is_empty()
    }

    /// Returns whether not all fields of `object` may be written.
    pub(super) fn limits_fields_of(self, object: &str) -> bool {
        let listed = &self.policy.write_fields;
        self.policy.deny_fields.are_of(object) || listed.are_of(object) && !listed.has(object, "*")
    }

    /// Returns whether the fields of `object` that are written have to be looked at: an account may have some
    /// of a contact.
    pub(super) fn limits_fields_written_to(self, object: Object<'_>) -> bool {
        let is_account = matches!(object, Object::Named(name) if names::is_account(name));
        self.limits_written_fields() || is_account && self.denies_persons()
    }

    /// A record that another one names by a field of it, such as an external id: whether there is one is
    /// read.
    pub(super) fn find<'f>(
        self,
        what: &dyn Display,
        relationship: &str,
        fields: impl Iterator<Item = &'f str> + Clone,
    ) -> Judged {
        let Some(objects) = objects::of_lookup(relationship) else {
            let why = format!("it cannot be told which object {relationship} leads to");
            return self.unclear(what, why);
        };
        for object in objects {
            self.read(what, Object::Named(object))?;
            fields
                .clone()
                .try_for_each(|field| self.read_field(what, object, field))?;
        }
        Ok(())
    }

    /// Returns whether nothing may be changed.
    pub(super) fn is_read_only(self) -> bool {
        self.policy.read_only
    }

    /// Returns whether anything but method and path counts.
    pub(super) fn looks(self) -> bool {
        let policy = self.policy;
        let has_switches = policy.execute_anonymous && policy.metadata_deploy && policy.setup;
        policy.read_only || !has_switches || self.limits_reading() || self.limits_writing()
    }

    /// Returns whether anything counts in requests within requests, which have methods and paths, too.
    pub(super) fn looks_within(self) -> bool {
        let policy = self.policy;
        let limits_places =
            policy.methods.is_some() || policy.paths.is_some() || !policy.deny_paths.is_empty();
        limits_places || self.looks()
    }

    fn refuse(self, what: &dyn Display, why: Why) -> Judged {
        Err(Box::new(Refused {
            what: what.to_string(),
            why,
            table: self.policy.table.clone(),
        }))
    }
}

/// Returns whether it can be the name of an object or a field.
pub(super) fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !text.is_empty() && text.bytes().all(is_letter)
}

/// Returns whether `path` is `limit` or lies below it. A word `*` is any.
fn is_below(path: &[u8], limit: &str) -> bool {
    let mut ours = words(path);
    words(limit.as_bytes()).all(|word| {
        let own = ours.next();
        own.is_some_and(|own| word == b"*" || own.eq_ignore_ascii_case(word))
    })
}
