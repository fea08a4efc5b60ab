//! What a server holds: objects in its buckets, messages in its queues. It is asked itself, in its container, because
//! nobody else knows; what other services hold is not asked.

use std::collections::BTreeMap;

use super::observe::Observed;
use super::spec::container_name;
use crate::context::Context;
use crate::error::{Error, Remedy, Result};
use crate::path::FieldPath;

/// Asks with the means of the image: Python, and what botocore knows of regions. LocalStack reads account, region and
/// service from the credentials' scope, and checks no signature.
const ASK: &str = r#"
import http.client, json, os, sys
import xml.etree.ElementTree as xml
from botocore.session import Session

server = http.client.HTTPConnection("127.0.0.1", 4566, timeout=30)

def ask(method, path, scope, headers={}, body=None):
    scope = f"AWS4-HMAC-SHA256 Credential={scope}/aws4_request, SignedHeaders=host, Signature=0"
    server.request(method, path, body, {"Authorization": scope, "X-Amz-Date": "20250101T000000Z", **headers})
    answer = server.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{method} {path}: status {answer.status}")
    return text

def s3(key, path):
    return xml.fromstring(ask("GET", path, f"{key}/20250101/us-east-1/s3"))

def sqs(key, region, operation, **arguments):
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{operation}"}
    return json.loads(ask("POST", "/", f"{key}/20250101/{region}/sqs", headers, json.dumps(arguments)))

server.request("GET", "/_localstack/health")
services = json.loads(server.getresponse().read())["services"]
serves = lambda name: services.get(name, "disabled") != "disabled"
session, found = Session(), {"buckets": [], "queues": {}}
regions = [region for part in session.get_available_partitions() for region in session.get_available_regions("sqs", part)]
for key in os.environ["ATLAS_KEYS"].split(","):
    if serves("s3"):
        for bucket in s3(key, "/").iterfind(".//{*}Bucket/{*}Name"):
            held = s3(key, f"/{bucket.text}?versions&max-keys=1")
            if held.find("{*}Version") is not None or held.find("{*}DeleteMarker") is not None:
                found["buckets"].append(bucket.text)
    for region in regions if serves("sqs") else []:
        for url in sqs(key, region, "ListQueues").get("QueueUrls", []):
            told = sqs(key, region, "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
            count = sum(int(value) for name, value in told.items() if name.startswith("ApproximateNumberOfMessages"))
            if count:
                found["queues"][told["QueueArn"]] = count
print(json.dumps(found))
"#;

/// The access key of LocalStack's default account.
const DEFAULT_KEY: &str = "test";

/// What would be lost with a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
struct Content {
    /// Buckets with an object, a version or a deletion.
    buckets: Vec<String>,
    /// About how many messages are in a queue, by its ARN; none without any.
    queues: BTreeMap<String, u64>,
}

impl Content {
    /// As part of a sentence; `None` where there is nothing.
    fn told(&self) -> Option<String> {
        let mut parts = Vec::new();
        if let Some(first) = self.buckets.first() {
            parts.push(match self.buckets.len() {
                1 => format!("objects in bucket {first}"),
                count => format!("objects in bucket {first} and {} more", count - 1),
            });
        }
        if let Some((arn, count)) = self.queues.first_key_value() {
            let queue = arn.rsplit(':').next().unwrap_or_default();
            parts.push(match self.queues.len() {
                1 => format!("about {count} messages in queue {queue}"),
                all => format!(
                    "about {} messages in queue {queue} and {} more",
                    self.queues.values().sum::<u64>(),
                    all - 1
                ),
            });
        }
        (!parts.is_empty()).then(|| parts.join(", and "))
    }
}

/// What is known of a server that may hold something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    /// It can hold nothing.
    Empty,
    /// It can be asked.
    Answers,
    /// It may hold something, and cannot be asked.
    Silent,
}

fn knowledge(observed: &Observed) -> Knowledge {
    let runs = observed.server.as_ref().is_some_and(|server| {
        server.state.running || matches!(server.state.status.as_str(), "paused" | "restarting")
    });
    match (&observed.volume, &observed.health) {
        (_, Some(_)) => Knowledge::Answers,
        (Some(_), None) if observed.is_unserved => Knowledge::Empty,
        (Some(_), None) => Knowledge::Silent,
        // What is in memory is lost when its process ends.
        (None, None) if runs => Knowledge::Silent,
        (None, None) => Knowledge::Empty,
    }
}

/// Refuses to remove a server that holds something, or may.
///
/// # Errors
/// [`Error::NotEmpty`]; what Docker says.
pub(super) async fn refuse_to_lose(cx: &Context, name: &str, observed: &Observed) -> Result<()> {
    let what = match knowledge(observed) {
        Knowledge::Empty => return Ok(()),
        Knowledge::Silent => Err("it does not run or does not answer".to_owned()),
        Knowledge::Answers => ask(cx, name, observed).await?,
    };
    let (what, or) = match what {
        Ok(content) => match content.told() {
            None => return Ok(()),
            Some(told) => (told, "Remove that first"),
        },
        Err(reason) => (
            format!("possibly objects and messages ({reason})"),
            "Start it first, so that Atlas can check",
        ),
    };
    Err(Error::NotEmpty {
        kind: "LocalStack server",
        name: name.to_owned(),
        what,
        remedy: Remedy::AllowLoss {
            field: FieldPath::of("force_destroy"),
            or: or.to_owned(),
        },
    })
}

/// What it holds, or why it does not tell.
async fn ask(cx: &Context, name: &str, observed: &Observed) -> Result<Result<Content, String>> {
    let replicator = observed
        .found
        .as_ref()
        .and_then(|found| found.replicator.as_ref());
    let mut keys = vec![DEFAULT_KEY];
    keys.extend(replicator.map(|one| one.access_key.as_str()));
    keys.dedup();
    let keys = format!("ATLAS_KEYS={}", keys.join(","));
    let (container, env) = (container_name(name), [keys.as_str()]);
    let command = ["python3", "-c", ASK];
    let asked = cx.docker.exec_with(&container, &command, &env, None);
    let output = match asked.await {
        Ok(output) => output,
        Err(error) if error.is_of_ended_container() => {
            return Ok(Err("it has just ended".to_owned()));
        }
        Err(error) => return Err(error),
    };
    if output.code != 0 {
        let reason = output.stderr.trim().lines().last().unwrap_or_default();
        return Ok(Err(format!("the check failed: {reason}")));
    }
    serde_json::from_str(&output.stdout)
        .map(Ok)
        .map_err(|error| Error::Unexpected {
            what: format!("what {container} holds"),
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::super::health::Health;
    use super::*;
    use crate::docker::{Node, State};

    fn observed(status: &str, volume: bool, answers: bool) -> Observed {
        let server = Node {
            state: State {
                status: status.to_owned(),
                running: status == "running",
                ..State::default()
            },
            ..Node::default()
        };
        Observed {
            server: (status != "absent").then_some(server),
            volume: volume.then(|| "atlas-localstack-us".to_owned()),
            health: answers.then(Health::default),
            ..Observed::default()
        }
    }

    #[test]
    fn who_cannot_be_asked_may_hold_something_while_there_is_a_place_for_it() {
        let table = [
            (observed("running", true, true), Knowledge::Answers),
            (observed("running", false, true), Knowledge::Answers),
            (observed("exited", true, false), Knowledge::Silent),
            (observed("absent", true, false), Knowledge::Silent),
            (observed("paused", true, false), Knowledge::Silent),
            (observed("paused", false, false), Knowledge::Silent),
            (observed("running", false, false), Knowledge::Silent),
            (observed("exited", false, false), Knowledge::Empty),
            (observed("absent", false, false), Knowledge::Empty),
        ];
        for (observed, expected) in table {
            assert_eq!(knowledge(&observed), expected, "{observed:?}");
        }
    }

    #[test]
    fn a_server_that_never_answered_holds_nothing() {
        for status in ["created", "exited", "restarting", "absent"] {
            let mut observed = observed(status, true, false);
            observed.is_unserved = true;
            assert_eq!(knowledge(&observed), Knowledge::Empty, "{status}");
        }
    }

    #[test]
    fn what_would_be_lost_is_told() {
        let told = |text: &str| serde_json::from_str::<Content>(text).unwrap().told();
        assert_eq!(told(r#"{"buckets": [], "queues": {}}"#), None);
        assert_eq!(
            told(
                r#"{"buckets": ["audit"], "queues": {"arn:aws:sqs:us-east-1:000000000000:tx": 3}}"#
            )
            .as_deref(),
            Some("objects in bucket audit, and about 3 messages in queue tx")
        );
        assert_eq!(
            told(r#"{"buckets": ["a", "b", "c"], "queues": {}}"#).as_deref(),
            Some("objects in bucket a and 2 more")
        );
    }
}
