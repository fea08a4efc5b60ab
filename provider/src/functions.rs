//! Functions: `region_cidrs` plans disjoint networks.

use std::collections::BTreeMap;

use atlas_engine::{FieldPath, Words as _, cidr};
use tfplugin::{Function, FunctionError, FunctionSignature, Parameter, Type, Value};

use crate::translate::texts;
use crate::words::Hcl;

/// `provider::atlas::region_cidrs(base, regions)`.
pub(crate) struct RegionCidrs;

impl Function for RegionCidrs {
    fn name(&self) -> &'static str {
        "region_cidrs"
    }

    fn signature(&self) -> FunctionSignature {
        FunctionSignature {
            parameters: vec![
                Parameter {
                    name: "base",
                    kind: Type::String,
                    description: "A network of /16 or larger, for instance `10.128.0.0/12`.",
                },
                Parameter {
                    name: "regions",
                    kind: Type::list(Type::String),
                    description: "Region names, at most 16. A region keeps its networks as long as it \
                                  keeps its place.",
                },
            ],
            returns: Type::map(Type::object([
                ("nodes", Type::String),
                ("services", Type::String),
                ("pods", Type::String),
            ])),
            summary: "Disjoint networks for regions",
            description: "Cuts a network into 16 blocks and gives the n-th region the n-th block: a \
                          quarter for nodes, a quarter for Services, half for pods.",
        }
    }

    fn call(&self, arguments: &[Value]) -> Result<Value, FunctionError> {
        let at = |argument: i64| {
            move |problem: atlas_engine::Problem| FunctionError {
                text: format!("{} {}", problem.message, Hcl::Kept.remedy(&problem.remedy)),
                argument: Some(argument),
            }
        };
        let base = arguments
            .first()
            .and_then(Value::as_str)
            .unwrap_or_default();
        let base = cidr::parse(base, &FieldPath::of("base")).map_err(at(0))?;
        let regions = arguments.get(1).map(texts).unwrap_or_default();
        let plan = cidr::plan_regions(base, &regions).map_err(|problem| {
            let argument = i64::from(problem.path != FieldPath::of("base"));
            at(argument)(problem)
        })?;
        let all: BTreeMap<String, Value> = plan
            .into_iter()
            .map(|(region, nets)| {
                let value = Value::object([
                    ("nodes", Value::string(nets.nodes.to_string())),
                    ("services", Value::string(nets.services.to_string())),
                    ("pods", Value::string(nets.pods.to_string())),
                ]);
                (region, value)
            })
            .collect();
        Ok(Value::Map(all))
    }
}
