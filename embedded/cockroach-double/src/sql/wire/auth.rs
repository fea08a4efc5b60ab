//! Who is let in: by certificate, by password, or by everybody's word when there is no TLS.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use futures_util::{Sink, SinkExt as _};
use pgwire::api::auth::{
    ServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::{
    ClientInfo, ConnectionGuard, ConnectionHandle, PgWireConnectionState, PidSecretKeyGenerator,
    RandomPidSecretKeyGenerator,
};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::startup::Authentication;
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use super::{CONNECTIONS, Handler, fatal, wire_error};
use crate::node::Phase;
use crate::sql::password;
use crate::sql::session::{Session, server_variables};
use crate::tls;

static PIDS: LazyLock<RandomPidSecretKeyGenerator> =
    LazyLock::new(RandomPidSecretKeyGenerator::default);

/// What the server says of itself when a session begins.
struct Parameters(HashMap<String, String>);

impl ServerParameterProvider for Parameters {
    fn server_parameters<C: ClientInfo>(&self, _client: &C) -> Option<HashMap<String, String>> {
        Some(self.0.clone())
    }
}

impl Handler {
    /// Lets a user in whose certificate or password fits.
    fn certified<C: ClientInfo>(&self, client: &C, user: &str) -> Result<bool, PgWireError> {
        if self.node.tls.is_none() {
            return Ok(true);
        }
        if !client.is_secure() {
            return Err(fatal(
                "08004",
                "node is running secure mode, SSL connection required",
            ));
        }
        let Some(certificate) = client.client_certificates().and_then(|chain| chain.first()) else {
            return Ok(false);
        };
        let named = tls::about(certificate)
            .map(|about| about.common_name)
            .unwrap_or_default();
        if named == user {
            return Ok(true);
        }
        Err(fatal(
            "28000",
            format!(
                "certificate authentication failed for user \"{user}\": the certificate is of \"{named}\""
            ),
        ))
    }

    async fn begin<C>(&self, client: &mut C, user: &str) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let known = [
            "application_name",
            "database",
            "client_encoding",
            "statement_timeout",
            "datestyle",
            "timezone",
            "extra_float_digits",
        ];
        let startup: Vec<(String, String)> = client
            .metadata()
            .iter()
            .filter(|(name, _)| known.contains(&name.to_lowercase().as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let session = Session::new(self.node.clone(), user, &startup).map_err(wire_error)?;
        let mut parameters: HashMap<String, String> =
            server_variables(&self.node).into_iter().collect();
        for (shown, name) in [
            ("client_encoding", "client_encoding"),
            ("application_name", "application_name"),
            ("DateStyle", "datestyle"),
            ("IntervalStyle", "intervalstyle"),
            ("TimeZone", "timezone"),
            ("is_superuser", "is_superuser"),
            ("standard_conforming_strings", "standard_conforming_strings"),
        ] {
            parameters.insert(shown.to_owned(), session.variable(name).to_owned());
        }
        parameters.insert("session_authorization".to_owned(), user.to_owned());
        for inner in ["server_version_num", "transaction_isolation", "node_id"] {
            parameters.remove(inner);
        }
        *self.session.lock().await = Some(session);
        let (pid, key) = PIDS.generate(client);
        client.set_pid_and_secret_key(pid, key.clone());
        let (handle, guard) = CONNECTIONS.register(pid, key);
        client
            .session_extensions()
            .insert::<Arc<ConnectionHandle>>(handle);
        client.session_extensions().insert::<ConnectionGuard>(guard);
        finish_authentication(client, &Parameters(parameters)).await
    }
}

#[async_trait]
impl StartupHandler for Handler {
    async fn on_startup<C>(
        &self,
        client: &mut C,
        message: PgWireFrontendMessage,
    ) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => {
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                if *self.node.phase().borrow() >= Phase::Closing {
                    return Err(fatal(
                        "57P01",
                        "server is not accepting clients, try another node",
                    ));
                }
                // Before `init` a client is taken, and waits.
                let _ = self.node.up().wait_for(|up| *up).await;
                let Some(state) = self.node.local() else {
                    return Err(fatal("57P03", "node is waiting for cluster initialization"));
                };
                let user = client
                    .metadata()
                    .get("user")
                    .cloned()
                    .unwrap_or_else(|| "root".to_owned());
                let may = state.catalog.users.get(&user).map(|user| user.login);
                if self.certified(client, &user)? {
                    return match may {
                        Some(true) => self.begin(client, &user).await,
                        Some(false) => Err(fatal(
                            "28000",
                            format!("{user} does not have login privilege"),
                        )),
                        None => Err(fatal(
                            "28000",
                            format!("password authentication failed for user {user}"),
                        )),
                    };
                }
                client.set_state(PgWireConnectionState::AuthenticationInProgress);
                client
                    .send(PgWireBackendMessage::Authentication(
                        Authentication::CleartextPassword,
                    ))
                    .await?;
                Ok(())
            }
            PgWireFrontendMessage::PasswordMessageFamily(message) => {
                let given = message.into_password()?.password;
                let user = client.metadata().get("user").cloned().unwrap_or_default();
                let stored = self.node.local().and_then(|state| {
                    let user = state.catalog.users.get(&user).filter(|user| user.login)?;
                    user.password.clone()
                });
                let fits = tokio::task::block_in_place(|| {
                    // Unknown users take as long as known ones.
                    let none = "00$00".to_owned();
                    password::verify(&given, stored.as_ref().unwrap_or(&none))
                });
                if !fits || stored.is_none() {
                    return Err(fatal(
                        "28P01",
                        format!("password authentication failed for user {user}"),
                    ));
                }
                self.begin(client, &user).await
            }
            _ => Ok(()),
        }
    }
}
