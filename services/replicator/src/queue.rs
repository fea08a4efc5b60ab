//! A queue on a server, by the calls that are needed.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
};

use crate::cloud::Cloud;
use crate::failure::{Failure, Result};

/// How the names of FIFO queues end; SQS wants it in lower case.
pub(crate) const FIFO: &str = ".fifo";

/// How long a received message is hidden from others, in seconds; renewed while it is worked on. What a killed replicator
/// held comes again after that.
pub(crate) const HIDDEN: i32 = 30;
/// A long poll, in seconds; no longer than a stop may take.
const POLL: i32 = 4;

/// A queue.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    /// Its server.
    pub cloud: Cloud,
    /// Its region.
    pub region: String,
    /// Its name.
    pub name: String,
    /// What the server calls it by.
    pub url: String,
}

/// The region and the name in a queue's ARN.
pub(crate) fn parse_arn(arn: &str) -> Option<(&str, &str)> {
    let words: Vec<&str> = arn.split(':').collect();
    match words.as_slice() {
        ["arn", _, "sqs", region, _account, name] if !region.is_empty() && !name.is_empty() => {
            Some((region, name))
        }
        _ => None,
    }
}

impl Queue {
    /// Looks a queue up; `None` where the server has none of that name.
    pub(crate) async fn find(cloud: &Cloud, region: &str, name: &str) -> Result<Option<Self>> {
        let answer = cloud
            .sqs(region)
            .get_queue_url()
            .queue_name(name)
            .send()
            .await;
        match answer {
            Ok(answer) => Ok(answer.queue_url.map(|url| Self {
                cloud: cloud.clone(),
                region: region.to_owned(),
                name: name.to_owned(),
                url,
            })),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_sqs::operation::get_queue_url::GetQueueUrlError::is_queue_does_not_exist) =>
            {
                Ok(None)
            }
            Err(error) => Err(Failure::of(
                "look up queue",
                format!("{name} at {}", cloud.endpoint()),
                error,
            )),
        }
    }

    fn sqs(&self) -> Client {
        self.cloud.sqs(&self.region)
    }

    fn told(&self) -> String {
        format!(
            "queue {} in {} at {}",
            self.name,
            self.region,
            self.cloud.endpoint()
        )
    }

    /// Whether it is a FIFO queue.
    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO)
    }

    /// Waits a while for up to `most` messages.
    pub(crate) async fn receive(&self, most: usize) -> Result<Vec<Message>> {
        let call = self
            .sqs()
            .receive_message()
            .queue_url(&self.url)
            .wait_time_seconds(POLL);
        let answer = call
            .max_number_of_messages(i32::try_from(most.clamp(1, 10)).unwrap_or(10))
            .visibility_timeout(HIDDEN)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await;
        let answer = answer.map_err(|error| Failure::of("receive from", self.told(), error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// A message is done with.
    pub(crate) async fn delete(&self, receipt: &str) -> Result<()> {
        let call = self
            .sqs()
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(receipt);
        let answer = call.send().await;
        answer
            .map(drop)
            .map_err(|error| Failure::of("delete a message of", self.told(), error))
    }

    /// Hides a message for so many seconds from now.
    pub(crate) async fn hide(&self, receipt: &str, seconds: i32) -> Result<()> {
        let call = self
            .sqs()
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt);
        let answer = call.visibility_timeout(seconds).send().await;
        answer
            .map(drop)
            .map_err(|error| Failure::of("hide a message of", self.told(), error))
    }

    /// Sends a message on as it was received: body, attributes, group and deduplication id.
    pub(crate) async fn send(&self, message: &Message) -> Result<()> {
        let system = |name: &MessageSystemAttributeName| {
            message.attributes().and_then(|all| all.get(name)).cloned()
        };
        let attributes: Option<HashMap<String, MessageAttributeValue>> =
            message.message_attributes().cloned();
        let mut call = self
            .sqs()
            .send_message()
            .queue_url(&self.url)
            .message_body(message.body().unwrap_or_default())
            .set_message_attributes(attributes);
        if self.is_fifo() {
            // A standard outbox before a FIFO queue: one group, and each message is its own.
            let group = system(&MessageSystemAttributeName::MessageGroupId)
                .unwrap_or_else(|| "outbox".to_owned());
            let id = system(&MessageSystemAttributeName::MessageDeduplicationId);
            call = call.message_group_id(group).message_deduplication_id(
                id.or_else(|| message.message_id().map(str::to_owned))
                    .unwrap_or_default(),
            );
        }
        let answer = call.send().await;
        answer
            .map(drop)
            .map_err(|error| Failure::of("send to", self.told(), error))
    }

    /// Messages that wait, are in flight or delayed.
    pub(crate) async fn depth(&self) -> Result<i64> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed,
            ApproximateNumberOfMessagesNotVisible,
        };
        let names = [
            ApproximateNumberOfMessages,
            ApproximateNumberOfMessagesNotVisible,
            ApproximateNumberOfMessagesDelayed,
        ];
        let call = self
            .sqs()
            .get_queue_attributes()
            .queue_url(&self.url)
            .set_attribute_names(Some(names.to_vec()));
        let answer = call.send().await;
        let answer = answer.map_err(|error| Failure::of("look at", self.told(), error))?;
        let number = |name| {
            answer
                .attributes()
                .and_then(|all| all.get(name)?.parse::<i64>().ok())
        };
        Ok(names.iter().filter_map(number).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_tells_region_and_name() {
        let arn = "arn:aws:sqs:eu-central-1:000000000000:orders.fifo";
        assert_eq!(parse_arn(arn), Some(("eu-central-1", "orders.fifo")));
        for wrong in [
            "",
            "orders",
            "arn:aws:sns:eu:0:a",
            "arn:aws:sqs::0:a",
            "arn:aws:sqs:eu:0:",
            "arn:aws:sqs:eu:0:a:b",
        ] {
            assert_eq!(parse_arn(wrong), None, "{wrong}");
        }
    }
}
