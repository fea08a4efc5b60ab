//! The AWS SDK for Python, which every LocalStack image has inside: the way to change things behind the
//! provider's back, and to see what applications would see.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::docker::Docker;

/// Before every script: clients for the region `R`, the URL of a queue by name, and `say`, whose argument comes back.
const PRELUDE: &str = "
import boto3, json, sys
from botocore.config import Config
def client(service, region=None):
    return boto3.client(service, endpoint_url='http://127.0.0.1:4566', region_name=region or sys.argv[1],
                        aws_access_key_id='test', aws_secret_access_key='test', config=Config(s3={'addressing_style': 'path'}))
s3, sqs, iam = client('s3'), client('sqs'), client('iam')
def url(name): return sqs.get_queue_url(QueueName=name)['QueueUrl']
def say(value): print('said:' + json.dumps(value, default=str))
";

/// Clients for one region of a LocalStack container.
#[derive(Debug, Clone)]
pub struct Aws {
    container: String,
    region: String,
}

impl Aws {
    /// For a container by name.
    pub fn new(container: &str, region: &str) -> Self {
        Self {
            container: container.to_owned(),
            region: region.to_owned(),
        }
    }

    /// Runs lines of Python; returns what they `say`, or null.
    pub fn run(&self, script: &str) -> Result<Value> {
        let script = format!("{PRELUDE}{script}");
        let ran = Docker::new()
            .run(&[
                "exec",
                &self.container,
                "python3",
                "-c",
                &script,
                &self.region,
            ])
            .with_context(|| script.clone())?;
        let said = ran
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("said:"));
        said.map_or(Ok(Value::Null), |said| Ok(serde_json::from_str(said)?))
    }
}
