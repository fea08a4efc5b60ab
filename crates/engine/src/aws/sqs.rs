//! Queues.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sqs::types::QueueAttributeName as Name;

use super::{Aws, code_of};
use crate::error::{Error, Remedy, Result};
use crate::path::FieldPath;

/// What can be set on a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueAttributes {
    /// Whether it keeps the order of groups. Decided when it is made.
    pub fifo: bool,
    /// Whether a message without deduplication id gets one from its content.
    pub content_based_deduplication: bool,
    /// Seconds for which a received message is not shown to others.
    pub visibility_timeout: i32,
    /// Seconds after which a message expires.
    pub retention: i32,
    /// The queue for messages that were received too often, and how often that is.
    pub dead_letters: Option<(String, i32)>,
    /// Who may do what with it, as JSON.
    pub policy: Option<String>,
}

/// A queue as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Its URL, as the endpoint tells it.
    pub url: String,
    /// Its ARN.
    pub arn: String,
    /// What can be set on it.
    pub attributes: QueueAttributes,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// About how many messages are in it, received or not.
    pub messages: u64,
}

/// What became of a queue that was to be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is there.
    Yes,
    /// One of this name was deleted less than a minute ago; until then SQS gives the name to nobody.
    NotYet,
}

impl Aws {
    /// One queue by name; `None` where there is none.
    pub async fn queue(&self, name: &str) -> Result<Option<Queue>> {
        let url = match self.sqs.get_queue_url().queue_name(name).send().await {
            Ok(told) => told.queue_url.unwrap_or_default(),
            Err(error) if is_absent(code_of(&error)) => return Ok(None),
            Err(error) => return Err(self.failed("look up queue", name, error)),
        };
        let attributes = self
            .sqs
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(Name::All)
            .send();
        let tags = self.sqs.list_queue_tags().queue_url(&url).send();
        let (attributes, tags) = tokio::join!(Box::pin(attributes), Box::pin(tags));
        let attributes = match attributes {
            Ok(told) => told.attributes.unwrap_or_default(),
            Err(error) if is_absent(code_of(&error)) => return Ok(None),
            Err(error) => return Err(self.failed("read queue", name, error)),
        };
        let tags = match tags {
            Ok(told) => told.tags.unwrap_or_default(),
            Err(error) if is_absent(code_of(&error)) => return Ok(None),
            Err(error) => return Err(self.failed("read the tags of queue", name, error)),
        };
        Ok(Some(Queue {
            arn: attributes.get(&Name::QueueArn).cloned().unwrap_or_default(),
            messages: messages(&attributes),
            attributes: read(&attributes),
            tags: tags.into_iter().collect(),
            url,
        }))
    }

    /// Names of the queues that begin so.
    pub async fn queue_names(&self, prefix: &str) -> Result<Vec<String>> {
        let listed = self
            .sqs
            .list_queues()
            .queue_name_prefix(prefix)
            .send()
            .await;
        let listed = listed
            .map_err(|error| self.failed("list the queues that begin with", prefix, error))?;
        Ok(listed
            .queue_urls()
            .iter()
            .filter_map(|url| url.rsplit('/').next().map(str::to_owned))
            .collect())
    }

    /// Creates a queue.
    pub async fn create_queue(
        &self,
        name: &str,
        attributes: &QueueAttributes,
        tags: &BTreeMap<String, String>,
    ) -> Result<Made> {
        let mut all = write(attributes, attributes.fifo);
        if attributes.fifo {
            all.insert(Name::FifoQueue, "true".to_owned());
        }
        all.retain(|_, value| !value.is_empty());
        let tags: HashMap<String, String> = tags.clone().into_iter().collect();
        let made = self
            .sqs
            .create_queue()
            .queue_name(name)
            .set_attributes(Some(all))
            .set_tags((!tags.is_empty()).then_some(tags))
            .send()
            .await;
        match made {
            Ok(_) => Ok(Made::Yes),
            Err(error) if code_of(&error).ends_with("QueueDeletedRecently") => Ok(Made::NotYet),
            Err(error) => Err(self.failed("create queue", name, error)),
        }
    }

    /// Sets all attributes of a queue that can be changed.
    pub async fn set_queue(&self, queue: &Queue, wanted: &QueueAttributes) -> Result<()> {
        // What is unset needs to be sent only where it is set now: not every endpoint takes an empty text.
        let mut all = write(wanted, wanted.fifo);
        let now = write(&queue.attributes, wanted.fifo);
        all.retain(|name, value| now.get(name) != Some(value));
        if all.is_empty() {
            return Ok(());
        }
        self.sqs
            .set_queue_attributes()
            .queue_url(&queue.url)
            .set_attributes(Some(all))
            .send()
            .await
            .map(drop)
            .map_err(|error| self.failed("change queue", &queue.url, error))
    }

    /// Sets all tags of a queue.
    pub async fn set_queue_tags(
        &self,
        queue: &Queue,
        wanted: &BTreeMap<String, String>,
    ) -> Result<()> {
        let fail = |error| self.failed("untag queue", &queue.url, error);
        let gone: Vec<String> = queue
            .tags
            .keys()
            .filter(|key| !wanted.contains_key(*key))
            .cloned()
            .collect();
        if !gone.is_empty() {
            let untag = self.sqs.untag_queue().queue_url(&queue.url);
            untag.set_tag_keys(Some(gone)).send().await.map_err(fail)?;
        }
        let new: HashMap<String, String> = wanted
            .iter()
            .filter(|(key, value)| queue.tags.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let tag = self
            .sqs
            .tag_queue()
            .queue_url(&queue.url)
            .set_tags(Some(new));
        tag.send()
            .await
            .map(drop)
            .map_err(|error| self.failed("tag queue", &queue.url, error))
    }

    /// Removes a queue with its messages; one that is gone already is as good.
    pub async fn delete_queue(&self, queue: &Queue) -> Result<()> {
        match self.sqs.delete_queue().queue_url(&queue.url).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_absent(code_of(&error)) => Ok(()),
            Err(error) => Err(self.failed("delete queue", &queue.url, error)),
        }
    }
}

fn is_absent(code: &str) -> bool {
    matches!(
        code,
        "AWS.SimpleQueueService.NonExistentQueue" | "QueueDoesNotExist"
    ) || code.ends_with("QueueDoesNotExist")
}

fn messages(attributes: &HashMap<Name, String>) -> u64 {
    [
        Name::ApproximateNumberOfMessages,
        Name::ApproximateNumberOfMessagesNotVisible,
        Name::ApproximateNumberOfMessagesDelayed,
    ]
    .iter()
    .filter_map(|name| attributes.get(name)?.parse::<u64>().ok())
    .sum()
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Redrive {
    dead_letter_target_arn: String,
    /// A number, or text that is one: both are in use.
    max_receive_count: serde_json::Value,
}

fn read(attributes: &HashMap<Name, String>) -> QueueAttributes {
    let text = |name: Name| attributes.get(&name).filter(|text| !text.is_empty());
    let number = |name: Name| text(name).and_then(|text| text.parse().ok());
    let dead_letters = text(Name::RedrivePolicy)
        .and_then(|policy| serde_json::from_str::<Redrive>(policy).ok())
        .map(|policy| {
            let count = &policy.max_receive_count;
            let count = count
                .as_i64()
                .or_else(|| count.as_str().and_then(|count| count.parse().ok()));
            let count = count.and_then(|count| i32::try_from(count).ok());
            (policy.dead_letter_target_arn, count.unwrap_or_default())
        });
    QueueAttributes {
        fifo: text(Name::FifoQueue).is_some_and(|text| text == "true"),
        content_based_deduplication: text(Name::ContentBasedDeduplication)
            .is_some_and(|text| text == "true"),
        visibility_timeout: number(Name::VisibilityTimeout).unwrap_or_default(),
        retention: number(Name::MessageRetentionPeriod).unwrap_or_default(),
        dead_letters,
        policy: text(Name::Policy).cloned(),
    }
}

/// The attributes as SQS takes them; an empty text unsets.
fn write(attributes: &QueueAttributes, fifo: bool) -> HashMap<Name, String> {
    let dead_letters = attributes.dead_letters.as_ref().map(|(arn, count)| {
        serde_json::json!({ "deadLetterTargetArn": arn, "maxReceiveCount": count }).to_string()
    });
    let mut all = HashMap::from([
        (
            Name::VisibilityTimeout,
            attributes.visibility_timeout.to_string(),
        ),
        (
            Name::MessageRetentionPeriod,
            attributes.retention.to_string(),
        ),
        (Name::RedrivePolicy, dead_letters.unwrap_or_default()),
        (Name::Policy, attributes.policy.clone().unwrap_or_default()),
    ]);
    if fifo {
        all.insert(
            Name::ContentBasedDeduplication,
            attributes.content_based_deduplication.to_string(),
        );
    }
    all
}

/// The name of a queue by its ARN.
pub(crate) fn name_of(queue: &Queue) -> &str {
    queue.arn.rsplit(':').next().unwrap_or_default()
}

/// A queue that holds messages which would be lost with it; `whose` says more of them.
pub(crate) fn holds_messages(queue: &Queue, whose: &str) -> Error {
    Error::NotEmpty {
        kind: "queue",
        name: name_of(queue).to_owned(),
        what: format!("about {} messages{whose}", queue.messages),
        remedy: Remedy::AllowLoss {
            field: FieldPath::of("bucket").name("force_destroy"),
            or: "Consume them".to_owned(),
        },
    }
}
