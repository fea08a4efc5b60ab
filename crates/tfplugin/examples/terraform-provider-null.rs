//! A whole provider: `null_thing` is nothing, but lives, changes in place and is replaced.
//!
//! Its twin on tf-provider, the other framework, is in `acceptance-tests/peer`; a test has Terraform plan
//! both.

use std::process::ExitCode;

use async_trait::async_trait;
use tfplugin::{
    Attribute, AttributePath, Diagnostics, Operation, Outcome, PlanRequest, Planned, Provider,
    Resource, Schema, Type, Value, Warnings,
};

struct Null;

#[async_trait]
impl Provider for Null {
    type Data = ();

    fn schema(&self) -> Schema {
        Schema::new("")
    }

    async fn configure(&self, _config: &Value, _warnings: &Warnings) -> Result<(), Diagnostics> {
        Ok(())
    }

    fn resources(&self) -> Vec<Box<dyn Resource<()>>> {
        vec![Box::new(Thing)]
    }
}

struct Thing;

/// The end of a change without any trouble.
fn done(state: Value) -> Outcome {
    Outcome {
        state,
        diagnostics: Diagnostics::new(),
    }
}

#[async_trait]
impl Resource<()> for Thing {
    fn name(&self) -> &'static str {
        "null_thing"
    }

    fn schema(&self) -> Schema {
        let texts = Type::map(Type::String);
        Schema::new("A thing that is nothing.")
            .attribute("id", Attribute::computed(Type::String, ""))
            .attribute(
                "triggers",
                Attribute::optional(texts, "").forces_replacement(),
            )
            .attribute("note", Attribute::optional(Type::String, ""))
    }

    async fn plan(&self, _operation: &Operation<()>, request: PlanRequest) -> Planned {
        let mut state = request.proposed;
        let triggered = state.get("triggers") != request.prior.get("triggers");
        let mut requires_replace = Vec::new();
        if request.prior.is_null() || triggered {
            state.set("id", Value::Unknown);
        }
        if !request.prior.is_null() && triggered {
            requires_replace.push(AttributePath::of("triggers"));
        }
        Planned {
            state,
            requires_replace,
            diagnostics: Diagnostics::new(),
        }
    }

    async fn create(
        &self,
        _operation: &Operation<()>,
        mut planned: Value,
        _config: &Value,
    ) -> Outcome {
        planned.set("id", Value::string("thing"));
        done(planned)
    }

    async fn read(&self, _operation: &Operation<()>, state: Value) -> Result<Value, Diagnostics> {
        Ok(state)
    }

    async fn update(
        &self,
        _operation: &Operation<()>,
        _prior: Value,
        planned: Value,
        _config: &Value,
    ) -> Outcome {
        done(planned)
    }

    async fn delete(&self, _operation: &Operation<()>, _prior: Value) -> Result<(), Diagnostics> {
        Ok(())
    }

    async fn import(&self, _operation: &Operation<()>, id: &str) -> Result<Value, Diagnostics> {
        let mut state = self.schema().empty();
        state.set("id", Value::string(id));
        Ok(state)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tfplugin::serve(&["registry.terraform.io/atlas-world/null"], Null).await
}
