//! What a provider's author writes.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::diagnostics::{Diagnostics, Warnings};
use crate::path::AttributePath;
use crate::private::Private;
use crate::schema::Schema;
use crate::types::Type;
use crate::value::Value;

/// A provider.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What a configured provider hands to its resources.
    type Data: Send + Sync + 'static;

    /// The schema of `provider "…" {}`.
    fn schema(&self) -> Schema;

    /// Refuses a configuration without acting on it; values may be unknown.
    async fn validate(&self, _config: &Value) -> Diagnostics {
        Diagnostics::new()
    }

    /// Takes a configuration; while planning, values may be unknown. What is put into `warnings`, the user is told.
    async fn configure(
        &self,
        config: &Value,
        warnings: &Warnings,
    ) -> Result<Self::Data, Diagnostics>;

    /// Its resources.
    fn resources(&self) -> Vec<Box<dyn Resource<Self::Data>>> {
        Vec::new()
    }

    /// Its data sources.
    fn data_sources(&self) -> Vec<Box<dyn DataSource<Self::Data>>> {
        Vec::new()
    }

    /// Its ephemeral resources.
    fn ephemeral_resources(&self) -> Vec<Box<dyn EphemeralResource<Self::Data>>> {
        Vec::new()
    }

    /// Its functions.
    fn functions(&self) -> Vec<Box<dyn Function>> {
        Vec::new()
    }
}

/// The surroundings of one call.
pub struct Operation<D> {
    /// What the provider was configured to.
    pub data: Arc<D>,
    /// Cancelled when the user stops Terraform.
    pub cancel: CancellationToken,
    /// What the user is told beside the result, be it a success or a failure.
    pub warnings: Warnings,
    /// A managed resource's private state. Nothing that is kept of anything else outlasts the call.
    pub private: Private,
}

impl<D> Operation<D> {
    /// Warns of the resource as a whole.
    pub fn warn(&self, summary: impl Into<String>, detail: impl Into<String>) {
        self.warnings.push(AttributePath::root(), summary, detail);
    }
}

/// What is known when a change is planned.
pub struct PlanRequest {
    /// The configuration; write-only values are in it, and only here.
    pub config: Value,
    /// The state before; null when the resource is to be created.
    pub prior: Value,
    /// The configuration, with computed values of the state before.
    pub proposed: Value,
}

/// A planned change.
pub struct Planned {
    /// The state after, as far as it is known.
    pub state: Value,
    /// Attributes whose change needs another object.
    pub requires_replace: Vec<AttributePath>,
    /// Warnings, and errors that refuse the change.
    pub diagnostics: Diagnostics,
}

/// The end of a change.
pub struct Outcome {
    /// The state after, complete or as far as it went; null where nothing was made.
    pub state: Value,
    /// Warnings, and errors that ended it.
    pub diagnostics: Diagnostics,
}

/// A managed resource.
#[async_trait]
pub trait Resource<D: Send + Sync + 'static>: Send + Sync {
    /// Its type name, for instance `atlas_network`.
    fn name(&self) -> &'static str;

    /// Its schema.
    fn schema(&self) -> Schema;

    /// Refuses a configuration without asking the world; values may be unknown.
    async fn validate(&self, _config: &Value) -> Diagnostics {
        Diagnostics::new()
    }

    /// Plans creation (the prior state is null) or change.
    async fn plan(&self, operation: &Operation<D>, request: PlanRequest) -> Planned;

    /// Creates it. `config` holds the write-only values.
    async fn create(&self, operation: &Operation<D>, planned: Value, config: &Value) -> Outcome;

    /// Reads it back; null where it is gone.
    async fn read(&self, operation: &Operation<D>, state: Value) -> Result<Value, Diagnostics>;

    /// Changes it in place.
    async fn update(
        &self,
        operation: &Operation<D>,
        prior: Value,
        planned: Value,
        config: &Value,
    ) -> Outcome;

    /// What is to be said before it is deleted: warnings, and errors that refuse it. It changes nothing.
    async fn plan_delete(&self, _operation: &Operation<D>, _prior: &Value) -> Diagnostics {
        Diagnostics::new()
    }

    /// Deletes it; what is gone already is as good.
    async fn delete(&self, operation: &Operation<D>, prior: Value) -> Result<(), Diagnostics>;

    /// The state of an existing object by the id that `terraform import` was given. It is read right
    /// after.
    async fn import(&self, operation: &Operation<D>, id: &str) -> Result<Value, Diagnostics>;

    /// Brings state of an older schema version to the present form, as JSON.
    fn upgrade(
        &self,
        _version: i64,
        state: serde_json::Value,
    ) -> Result<serde_json::Value, Diagnostics> {
        Ok(state)
    }
}

/// A look-up.
#[async_trait]
pub trait DataSource<D: Send + Sync + 'static>: Send + Sync {
    /// Its type name.
    fn name(&self) -> &'static str;

    /// Its schema.
    fn schema(&self) -> Schema;

    /// Refuses a configuration without asking the world; values may be unknown.
    async fn validate(&self, _config: &Value) -> Diagnostics {
        Diagnostics::new()
    }

    /// Looks it up.
    async fn read(&self, operation: &Operation<D>, config: Value) -> Result<Value, Diagnostics>;
}

/// An ephemeral resource that was opened.
pub struct Opened {
    /// What it gives. Never stored.
    pub result: Value,
    /// When it must be renewed.
    pub renew_at: Option<SystemTime>,
    /// What renewing and closing need.
    pub private: Vec<u8>,
}

/// Something that lasts for one run only, such as credentials.
#[async_trait]
pub trait EphemeralResource<D: Send + Sync + 'static>: Send + Sync {
    /// Its type name.
    fn name(&self) -> &'static str;

    /// Its schema.
    fn schema(&self) -> Schema;

    /// Refuses a configuration without asking the world; values may be unknown.
    async fn validate(&self, _config: &Value) -> Diagnostics {
        Diagnostics::new()
    }

    /// Opens it.
    async fn open(&self, operation: &Operation<D>, config: Value) -> Result<Opened, Diagnostics>;

    /// Keeps it open; returns when to do so again.
    async fn renew(
        &self,
        _operation: &Operation<D>,
        _private: &[u8],
    ) -> Result<Option<SystemTime>, Diagnostics> {
        Ok(None)
    }

    /// Closes it.
    async fn close(&self, _operation: &Operation<D>, _private: &[u8]) -> Result<(), Diagnostics> {
        Ok(())
    }
}

/// A parameter of a function.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name in documentation.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// What it is for.
    pub description: &'static str,
}

/// How a function is called.
#[derive(Debug, Clone)]
pub struct FunctionSignature {
    /// In order.
    pub parameters: Vec<Parameter>,
    /// What it gives.
    pub returns: Type,
    /// One line.
    pub summary: &'static str,
    /// The whole story, in Markdown.
    pub description: &'static str,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// What is wrong and what would be right.
    pub text: String,
    /// The argument at fault, from 0.
    pub argument: Option<i64>,
}

/// A pure function, called as `provider::NAME::function(…)`.
pub trait Function: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// How it is called.
    fn signature(&self) -> FunctionSignature;

    /// Calls it. Arguments are known and not null.
    fn call(&self, arguments: &[Value]) -> Result<Value, FunctionError>;
}
