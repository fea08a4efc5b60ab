//! The provider's binary on the wire, as Terraform's core drives it, without Terraform.

mod core;
mod outcomes;

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use acceptance_tests::{Sandbox, Settings};
use anyhow::{Context, Result, ensure};
use rmpv::Value;
use tfplugin::proto::tfplugin6 as wire;
use tfplugin::proto::tfplugin6::provider_client::ProviderClient;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tonic::transport::Channel;

use self::core::{
    Attributes, Certificate, Core, Transport, attributes, decode, decode_raw, encode,
};

const NETWORK: &str = "atlas_network";

/// Whether a channel gets an answer. With TLS 1.3 a refusal may reach the client only then.
async fn answers(channel: Result<Channel>) -> bool {
    let Ok(channel) = channel else { return false };
    let request = wire::get_metadata::Request {};
    ProviderClient::new(channel)
        .get_metadata(request)
        .await
        .is_ok()
}

async fn expect_one_client_only(transport: Transport) -> Result<()> {
    let core = Core::start(transport).await?;
    let stranger = Certificate::new()?;
    ensure!(!answers(core.plain().await).await, "it answers without TLS");
    ensure!(
        !answers(core.tls(None).await).await,
        "it answers without a certificate"
    );
    let other = core.tls(Some(&stranger)).await;
    ensure!(
        !answers(other).await,
        "it answers to a stranger's certificate"
    );
    // Refusals end nothing: the one client is let in after them.
    let request = wire::get_metadata::Request {};
    core.client().await?.get_metadata(request).await?;
    if let Some(socket) = core.socket() {
        let folder = socket.parent().context("a socket without folder")?;
        for (path, wanted) in [(socket.as_path(), 0o600), (folder, 0o700)] {
            let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
            ensure!(mode == wanted, "{} has mode {mode:o}", path.display());
        }
    }
    let ended = core.shutdown().await?;
    ensure!(ended.success(), "asked to go, it ended with {ended}");
    Ok(())
}

#[tokio::test]
async fn only_the_holder_of_terraforms_certificate_is_let_in() -> Result<()> {
    expect_one_client_only(Transport::Unix).await
}

#[tokio::test]
async fn the_same_holds_on_tcp() -> Result<()> {
    expect_one_client_only(Transport::Tcp).await
}

/// A configured provider and its schemas.
struct Session {
    core: Core,
    client: ProviderClient<Channel>,
    schemas: wire::get_provider_schema::Response,
}

impl Session {
    async fn begin() -> Result<Self> {
        Self::configured(&[]).await
    }

    /// With this provider configuration.
    async fn configured(given: &[(&str, Value)]) -> Result<Self> {
        let core = Core::start(Transport::Unix).await?;
        let mut client = core.client().await?;
        let request = wire::get_provider_schema::Request {};
        let schemas = client.get_provider_schema(request).await?.into_inner();
        let provider = schemas.provider.as_ref().context("no provider schema")?;
        let config = encode(&attributes(provider, given)?)?;
        let request = wire::configure_provider::Request {
            terraform_version: "1.11.4".to_owned(),
            config,
            ..Default::default()
        };
        quiet(
            &client
                .configure_provider(request)
                .await?
                .into_inner()
                .diagnostics,
        )?;
        Ok(Self {
            core,
            client,
            schemas,
        })
    }

    fn network(&self, given: &[(&str, Value)]) -> Result<Attributes> {
        attributes(&self.schemas.resource_schemas[NETWORK], given)
    }

    async fn plan(
        &mut self,
        prior: Option<&Attributes>,
        config: Option<&Attributes>,
        proposed: Option<&Attributes>,
    ) -> Result<wire::plan_resource_change::Response> {
        let request = wire::plan_resource_change::Request {
            type_name: NETWORK.to_owned(),
            prior_state: value(prior)?,
            proposed_new_state: value(proposed)?,
            config: value(config)?,
            ..Default::default()
        };
        let planned = self
            .client
            .plan_resource_change(request)
            .await?
            .into_inner();
        quiet(&planned.diagnostics)?;
        Ok(planned)
    }

    async fn apply(
        &mut self,
        prior: Option<&Attributes>,
        config: Option<&Attributes>,
        planned: Option<wire::DynamicValue>,
    ) -> Result<Option<Attributes>> {
        let request = wire::apply_resource_change::Request {
            type_name: NETWORK.to_owned(),
            prior_state: value(prior)?,
            planned_state: planned,
            config: value(config)?,
            ..Default::default()
        };
        let applied = self
            .client
            .apply_resource_change(request)
            .await?
            .into_inner();
        quiet(&applied.diagnostics)?;
        decode(applied.new_state)
    }

    async fn read(&mut self, state: &Attributes) -> Result<Option<Attributes>> {
        let request = wire::read_resource::Request {
            type_name: NETWORK.to_owned(),
            current_state: encode(state)?,
            ..Default::default()
        };
        let found = self.client.read_resource(request).await?.into_inner();
        quiet(&found.diagnostics)?;
        decode(found.new_state)
    }
}

fn value(attributes: Option<&Attributes>) -> Result<Option<wire::DynamicValue>> {
    attributes.map_or_else(|| core::raw(&Value::Nil), encode)
}

fn quiet(diagnostics: &[wire::Diagnostic]) -> Result<()> {
    ensure!(diagnostics.is_empty(), "{diagnostics:?}");
    Ok(())
}

#[tokio::test]
async fn a_resource_lives_from_validation_to_destruction() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let mut session = Session::begin().await?;
    let (name, subnet) = (sandbox.name("wire"), sandbox.subnet(0));
    let given = [
        ("name", Value::from(name.as_str())),
        ("subnet", Value::from(subnet.as_str())),
    ];
    let config = session.network(&given)?;

    let request = wire::validate_resource_config::Request {
        type_name: NETWORK.to_owned(),
        config: encode(&config)?,
        ..Default::default()
    };
    let validated = session
        .client
        .validate_resource_config(request)
        .await?
        .into_inner();
    quiet(&validated.diagnostics)?;

    let mut proposed = config.clone();
    for computed in ["id", "network_id", "gateway"] {
        proposed.insert(computed.to_owned(), core::unknown());
    }
    let planned = session.plan(None, Some(&config), Some(&proposed)).await?;
    let foretold = decode(planned.planned_state.clone())?.context("planned to be nothing")?;
    ensure!(
        matches!(foretold["network_id"], Value::Ext(0 | 12, _)),
        "Docker's id is foretold"
    );
    let state = session
        .apply(None, Some(&config), planned.planned_state)
        .await?;
    let state = state.context("nothing was made")?;
    ensure!(
        !state.values().any(|one| matches!(one, Value::Ext(..))),
        "{state:?}"
    );
    for (attribute, value) in &foretold {
        let kept = matches!(value, Value::Ext(..)) || state[attribute] == *value;
        ensure!(
            kept,
            "{attribute} was planned as {value} and is {}",
            state[attribute]
        );
    }

    ensure!(
        session.read(&state).await? == Some(state.clone()),
        "reading changes the state"
    );
    let again = session
        .plan(Some(&state), Some(&config), Some(&state))
        .await?;
    ensure!(
        decode(again.planned_state)? == Some(state.clone()),
        "the second plan is not empty"
    );

    let mut moved = state.clone();
    moved.insert("subnet".to_owned(), Value::from(sandbox.subnet(1)));
    let changed = session.network(&[given[0].clone(), ("subnet", moved["subnet"].clone())])?;
    let replaced = session
        .plan(Some(&state), Some(&changed), Some(&moved))
        .await?;
    let path = format!("{:?}", replaced.requires_replace);
    ensure!(
        path.contains("subnet"),
        "another subnet needs no other network: {path}"
    );

    let request = wire::import_resource_state::Request {
        type_name: NETWORK.to_owned(),
        id: name.clone(),
        ..Default::default()
    };
    let imported = session
        .client
        .import_resource_state(request)
        .await?
        .into_inner();
    quiet(&imported.diagnostics)?;
    let imported = imported
        .imported_resources
        .into_iter()
        .next()
        .context("nothing imported")?;
    let imported = decode(imported.state)?.context("null was imported")?;
    ensure!(
        session.read(&imported).await? == Some(state.clone()),
        "the import reads otherwise"
    );

    let stored = serde_json::json!({"name": name, "subnet": subnet, "id": name});
    let request = wire::upgrade_resource_state::Request {
        type_name: NETWORK.to_owned(),
        version: 0,
        raw_state: Some(wire::RawState {
            json: serde_json::to_vec(&stored)?,
            ..Default::default()
        }),
    };
    let upgraded = session
        .client
        .upgrade_resource_state(request)
        .await?
        .into_inner();
    quiet(&upgraded.diagnostics)?;
    let upgraded = decode(upgraded.upgraded_state)?.context("the state was lost")?;
    ensure!(upgraded["subnet"] == state["subnet"], "{upgraded:?}");

    let destruction = session.plan(Some(&state), None, None).await?;
    let gone = session
        .apply(Some(&state), None, destruction.planned_state)
        .await?;
    ensure!(gone.is_none(), "destroyed, it is {gone:?}");
    ensure!(
        session.read(&state).await?.is_none(),
        "it can still be read"
    );
    let left = sandbox.docker().objects(&sandbox.prefix())?;
    ensure!(left.is_empty(), "left behind\n{left}");
    ensure!(
        session.core.shutdown().await?.success(),
        "it did not end well"
    );
    Ok(())
}

/// While planning, which daemon is meant may hang on what is yet to be made. Then no other is asked: one
/// that answers for it would say that nothing exists.
#[tokio::test]
async fn a_daemon_that_is_not_known_yet_is_not_replaced_by_the_usual_one() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let mut session = Session::configured(&[("docker_host", core::unknown())]).await?;
    let config = session.network(&[
        ("name", Value::from(sandbox.name("later"))),
        ("subnet", Value::from(sandbox.subnet(0))),
    ])?;
    let mut state = config.clone();
    state.insert("id".to_owned(), config["name"].clone());
    state.insert("network_id".to_owned(), Value::from("0".repeat(64)));
    state.insert(
        "gateway".to_owned(),
        Value::from(sandbox.subnet(0).replace(".0/24", ".1")),
    );
    ensure!(
        session.read(&state).await? == Some(state.clone()),
        "the state was read from another daemon"
    );
    let mut proposed = config.clone();
    for computed in ["id", "network_id", "gateway"] {
        proposed.insert(computed.to_owned(), core::unknown());
    }
    let planned = session.plan(None, Some(&config), Some(&proposed)).await?;
    let request = wire::apply_resource_change::Request {
        type_name: NETWORK.to_owned(),
        prior_state: value(None)?,
        planned_state: planned.planned_state,
        config: encode(&config)?,
        ..Default::default()
    };
    let applied = session
        .client
        .apply_resource_change(request)
        .await?
        .into_inner();
    let said = format!("{:?}", applied.diagnostics);
    ensure!(
        said.contains("does not exist yet"),
        "it was applied: {said}"
    );
    ensure!(decode(applied.new_state)?.is_none(), "a state was made up");
    ensure!(
        session.core.shutdown().await?.success(),
        "it did not end well"
    );
    Ok(())
}

#[tokio::test]
async fn metadata_names_what_the_schemas_describe() -> Result<()> {
    let mut session = Session::begin().await?;
    let request = wire::get_metadata::Request {};
    let metadata = session.client.get_metadata(request).await?.into_inner();
    let mut named: Vec<&str> = metadata
        .resources
        .iter()
        .map(|one| one.type_name.as_str())
        .collect();
    let mut described: Vec<&str> = session
        .schemas
        .resource_schemas
        .keys()
        .map(String::as_str)
        .collect();
    named.sort_unstable();
    described.sort_unstable();
    ensure!(named == described, "{named:?} and {described:?}");
    for needed in ["atlas_network", "atlas_k3d_cluster", "atlas_network_bridge"] {
        ensure!(named.contains(&needed), "no {needed}");
    }
    // Types are JSON that Terraform parses.
    for schema in session.schemas.resource_schemas.values() {
        let block = schema.block.as_ref().context("a schema without block")?;
        for attribute in block
            .attributes
            .iter()
            .filter(|one| one.nested_type.is_none())
        {
            serde_json::from_slice::<serde_json::Value>(&attribute.r#type)
                .with_context(|| attribute.name.clone())?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn functions_are_called_with_values_and_tell_which_argument_is_wrong() -> Result<()> {
    let mut session = Session::begin().await?;
    let list = |items: &[&str]| Value::Array(items.iter().map(|one| Value::from(*one)).collect());
    let mut call = async |base: &str| -> Result<wire::call_function::Response> {
        let request = wire::call_function::Request {
            name: "region_cidrs".to_owned(),
            arguments: [Value::from(base), list(&["us", "eu"])]
                .iter()
                .filter_map(|one| core::raw(one).transpose())
                .collect::<Result<_>>()?,
        };
        Ok(session.client.call_function(request).await?.into_inner())
    };
    let right = call("10.64.0.0/12").await?;
    ensure!(right.error.is_none(), "{:?}", right.error);
    let result = decode_raw(right.result)?.to_string();
    ensure!(result.contains("10.64.0.0/"), "{result}");
    let wrong = call("nonsense").await?.error.context("nonsense is taken")?;
    ensure!(wrong.function_argument == Some(0), "{wrong:?}");
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_and_ends_nothing() -> Result<()> {
    let mut session = Session::begin().await?;
    let read = |type_name: &str, msgpack: &[u8]| wire::read_resource::Request {
        type_name: type_name.to_owned(),
        current_state: Some(wire::DynamicValue {
            msgpack: msgpack.to_vec(),
            json: Vec::new(),
        }),
        ..Default::default()
    };
    // A type that there is not; bytes that end early; bytes of another shape.
    for (type_name, bytes) in [
        ("atlas_nothing", &[0xc0][..]),
        (NETWORK, &[0x85, 0xa4]),
        (NETWORK, &[0x01]),
    ] {
        let refused = match session.client.read_resource(read(type_name, bytes)).await {
            Ok(answer) => !answer.into_inner().diagnostics.is_empty(),
            Err(_) => true,
        };
        ensure!(refused, "{type_name} with {bytes:x?} is taken");
    }
    let request = wire::get_metadata::Request {};
    session.client.get_metadata(request).await?;
    ensure!(
        session.core.shutdown().await?.success(),
        "it did not end well"
    );
    Ok(())
}

/// `-debug` serves without Terraform having started it, and Terraform uses that one.
#[tokio::test]
async fn terraform_reattaches_to_a_provider_under_a_debugger() -> Result<()> {
    let sandbox = Sandbox::open()?;
    let terraform = sandbox.terraform()?;
    // Only a provider with this environment can complain about this socket.
    let nowhere = sandbox.path("nowhere.sock");
    let host = format!("unix://{}", nowhere.display());
    let mut debugged = Command::new(&Settings::get()?.provider)
        .arg("-debug")
        .env("DOCKER_HOST", &host)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let out = debugged.stdout.take().context("no standard output")?;
    let line = BufReader::new(out).lines().next_line().await?;
    let line = line.context("it ended without a word")?;
    let reattach = line
        .strip_prefix("TF_REATTACH_PROVIDERS='")
        .and_then(|rest| rest.strip_suffix('\''))
        .with_context(|| format!("it says {line:?}"))?;
    terraform.write("data \"atlas_docker\" \"d\" {}\n")?;
    let plan = terraform
        .command("plan")?
        .env("TF_REATTACH_PROVIDERS", reattach);
    let finished = tokio::task::spawn_blocking(|| plan.finish()).await??;
    ensure!(finished.output().contains("nowhere.sock"), "{finished}");
    ensure!(finished.code == Some(1), "{finished}");
    Ok(())
}
