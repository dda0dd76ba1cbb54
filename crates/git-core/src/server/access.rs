//! Who may fetch and who may push.

use git_core_protocol::Service;
use git_core_transport::server::{Refusal, Request};
use std::collections::BTreeMap;

/// Decides about a request before its repository is looked for.
pub trait Access: Send + Sync + 'static {
    /// Lets the request pass, or says why not: [`Refusal::unauthorized`] asks the peer for credentials,
    /// [`Refusal::forbidden`] does not, and [`Refusal::not_found`] gives nothing away.
    ///
    /// # Errors
    /// The refusal.
    fn check(&self, request: &Request) -> Result<(), Refusal>;
}

impl<F: Fn(&Request) -> Result<(), Refusal> + Send + Sync + 'static> Access for F {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        self(request)
    }
}

/// Everybody may fetch; who may push is the question.
#[derive(Clone, Debug, Default)]
pub enum PushAccess {
    /// Nobody.
    #[default]
    Nobody,
    /// Everybody who can reach the server: for loopback and for networks where all are trusted.
    Everybody,
    /// Whoever knows one of these names and its password.
    Users(BTreeMap<String, String>),
}

impl Access for PushAccess {
    fn check(&self, request: &Request) -> Result<(), Refusal> {
        if request.service != Service::ReceivePack {
            return Ok(());
        }
        match self {
            PushAccess::Everybody => Ok(()),
            PushAccess::Nobody => Err(Refusal::forbidden("pushing is not allowed here")),
            PushAccess::Users(users) => {
                let Some(claim) = &request.credentials else {
                    return Err(Refusal::unauthorized());
                };
                let expected = users.get(&claim.user);
                let given = claim.password.as_bytes();
                // The time this takes does not tell how much of a password was right.
                let against = expected.map_or(given, |password| password.as_bytes());
                let differs = against
                    .iter()
                    .zip(given)
                    .fold(against.len() ^ given.len(), |differs, (a, b)| differs | usize::from(a ^ b));
                if expected.is_some() && differs == 0 { Ok(()) } else { Err(Refusal::unauthorized()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_transport::server::{Carrier, Credentials};

    fn push(user: &str, password: &str) -> Request {
        let mut request = Request::new(Service::ReceivePack, "/r", Carrier::Http);
        request.credentials = Some(Credentials { user: user.into(), password: password.into() });
        request
    }

    #[test]
    fn only_the_right_password_pushes() {
        let access = PushAccess::Users(BTreeMap::from([("ann".to_owned(), "secret".to_owned())]));
        assert!(access.check(&push("ann", "secret")).is_ok());
        for (user, password) in
            [("ann", "secre"), ("ann", "secret1"), ("ann", ""), ("bob", "secret"), ("", "")]
        {
            assert!(access.check(&push(user, password)).is_err(), "{user} {password}");
        }
        assert!(access.check(&Request::new(Service::ReceivePack, "/r", Carrier::Git)).is_err());
        assert!(access.check(&Request::new(Service::UploadPack, "/r", Carrier::Git)).is_ok());
        assert!(PushAccess::Nobody.check(&push("ann", "secret")).is_err());
    }
}
