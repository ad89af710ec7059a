//! The demo org's Pub/Sub API.
