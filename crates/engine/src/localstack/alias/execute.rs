//! Makes, changes and removes aliases.

use super::desired::{self, Desired};
use super::mark::marked;
use super::observe::{Observed, observe, transactions};
use super::plan::{Step, plan};
use super::spec::Spec;
use crate::aws::{Aws, Made, Queue, holds_messages, not_empty};
use crate::context::Scope;
use crate::error::{Error, Existing, Remedy, Result, refuse};
use crate::pace::Pace;

/// Checks that the alias can be made: the endpoint answers, the credentials are right, and nothing has a name of the
/// alias's but what a create of it began to make. Changes nothing.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Exists`] where a bucket or a queue is there which no create of this alias began.
pub async fn admit(scope: &Scope, spec: &Spec) -> Result<()> {
    refuse(spec.problems())?;
    let observed = look(scope, spec).await?;
    stranger(spec, &observed).map_or(Ok(()), |(kind, name)| {
        Err(Error::Exists {
            kind,
            name,
            detail: Existing::NotBegun,
            remedy: Remedy::ImportOrRename,
        })
    })
}

/// What has a name of the alias's and is not what its own interrupted create left: its kind and its name.
fn stranger(spec: &Spec, observed: &Observed) -> Option<(&'static str, String)> {
    match (&observed.bucket, &observed.begun) {
        (Some(_), None) => Some(("bucket", spec.bucket.name.clone())),
        // The bucket comes first and goes last.
        (None, _) => {
            let (name, _) = observed.queues().next()?;
            Some(("queue", name.to_owned()))
        }
        (Some(_), Some(begun)) => {
            let queue = spec.queue.as_ref()?;
            let is_new = queue.name != *begun && observed.queue.is_some();
            is_new.then(|| ("queue", queue.name.clone()))
        }
    }
}

async fn look(scope: &Scope, spec: &Spec) -> Result<Observed> {
    let queue = spec.queue.as_ref().map(|queue| queue.name.as_str());
    Box::pin(observe(scope, &spec.account, &spec.bucket.name, queue)).await
}

/// Brings the alias to what is wanted. What is made anew carries a mark until all of it is made, by which the next run
/// knows it.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::NeedsReplacement`]; [`Error::NotEmpty`] where a queue that is to go holds messages;
/// what the endpoint says.
pub async fn apply(scope: &Scope, spec: &Spec) -> Result<Observed> {
    refuse(spec.problems())?;
    let observed = look(scope, spec).await?;
    let plan = plan(spec, &observed);
    if !plan.replace().is_empty() {
        return Err(Error::NeedsReplacement {
            kind: "alias",
            name: format!("{}/{}", spec.account.region, spec.bucket.name),
            fields: plan.replace().into_iter().map(str::to_owned).collect(),
        });
    }
    let aws = Aws::new(&spec.account);
    let wanted = desired::queues(spec, &observed.account_id);
    let goes = |step: &Step| match step {
        Step::DeleteQueue(name) => observed.outboxes.get(name),
        _ => None,
    };
    refuse_loss(spec, plan.steps.iter().filter_map(goes), &observed)?;
    scope
        .oversee("changing the alias", async {
            remove_what_was_begun_otherwise(scope, &aws, spec, &observed).await?;
            for step in &plan.steps {
                scope.tell(&step.summary(&spec.bucket.name));
                Box::pin(carry_out(scope, &aws, spec, &observed, &wanted, step)).await?;
            }
            Ok(())
        })
        .await?;
    look(scope, spec).await
}

/// A create that did not end may have been of an alias with another queue.
async fn remove_what_was_begun_otherwise(
    scope: &Scope,
    aws: &Aws,
    spec: &Spec,
    observed: &Observed,
) -> Result<()> {
    let wanted = spec.queue.as_ref().map_or("", |queue| queue.name.as_str());
    let begun = observed.begun.as_deref().unwrap_or_default();
    if begun.is_empty() || begun == wanted {
        return Ok(());
    }
    let left = Box::pin(transactions(aws, Some(begun))).await?;
    delete_queues(scope, aws, spec, &left).await?;
    // From here on it is a create of this alias.
    Box::pin(aws.set_bucket_tags(&spec.bucket.name, &desired::begun(spec))).await
}

async fn carry_out(
    scope: &Scope,
    aws: &Aws,
    spec: &Spec,
    observed: &Observed,
    wanted: &[Desired],
    step: &Step,
) -> Result<()> {
    let bucket = &spec.bucket;
    let queue = |name: &str| {
        let wanted = wanted.iter().find(|one| one.name == name);
        let found = observed.queues().find(|(known, _)| *known == name);
        (wanted, found.map(|(_, queue)| queue))
    };
    match step {
        Step::CreateBucket => {
            Box::pin(aws.create_bucket(&bucket.name)).await?;
            Box::pin(aws.set_bucket_tags(&bucket.name, &desired::begun(spec))).await
        }
        Step::Versioning(on) => Box::pin(aws.set_versioning(&bucket.name, *on)).await,
        Step::PublicAccessBlock(on) => {
            Box::pin(aws.set_public_access_block(&bucket.name, *on)).await
        }
        Step::Lifecycle => {
            let (days, noncurrent) = (bucket.expiration_days, bucket.noncurrent_expiration_days);
            Box::pin(aws.set_lifecycle(&bucket.name, days, noncurrent)).await
        }
        Step::BucketTags | Step::EndCreate => {
            let tags = marked(&bucket.tags, &bucket.name);
            Box::pin(aws.set_bucket_tags(&bucket.name, &tags)).await
        }
        Step::CreateQueue(name) => match queue(name) {
            (Some(wanted), _) => create_queue(scope, aws, wanted, &bucket.name).await,
            _ => Ok(()),
        },
        Step::SetQueue(name) => match queue(name) {
            (Some(wanted), Some(found)) => Box::pin(aws.set_queue(found, &wanted.attributes)).await,
            _ => Ok(()),
        },
        Step::QueueTags(name) => match queue(name) {
            (Some(wanted), Some(found)) => {
                let tags = marked(&wanted.tags, &bucket.name);
                Box::pin(aws.set_queue_tags(found, &tags)).await
            }
            _ => Ok(()),
        },
        Step::Replication(_) => {
            let wanted = desired::replication(spec, &observed.account_id);
            Box::pin(aws.set_replication(&bucket.name, wanted.as_ref())).await
        }
        Step::Events(on) => {
            let events = desired::events_name(&bucket.name);
            let events = desired::own_arn(spec, &observed.account_id, &events);
            aws.set_events(&bucket.name, on.then_some(events.as_str()))
                .await
        }
        Step::DeleteQueue(name) => match queue(name) {
            (_, Some(found)) => Box::pin(aws.delete_queue(found)).await,
            _ => Ok(()),
        },
    }
}

/// Waits for the name where a queue of it was deleted less than a minute ago: nothing tells when SQS gives it free.
async fn create_queue(scope: &Scope, aws: &Aws, wanted: &Desired, bucket: &str) -> Result<()> {
    let (name, tags) = (&wanted.name, marked(&wanted.tags, bucket));
    let mut pace = Pace::new();
    let mut is_told = false;
    let create = async {
        while Box::pin(aws.create_queue(name, &wanted.attributes, &tags)).await? == Made::NotYet {
            if !is_told {
                scope.tell(&format!(
                    "queue {name} was deleted less than a minute ago: waiting until its name is free"
                ));
                is_told = true;
            }
            pace.pause().await;
        }
        Ok(())
    };
    let waiting =
        format!("creating queue {name}, whose name SQS keeps for a minute after a deletion,");
    scope.guard(&waiting, create).await
}

/// Messages exist nowhere else. Those of the bucket's events do: they are about the bucket.
fn refuse_loss<'a>(
    spec: &Spec,
    queues: impl IntoIterator<Item = &'a Queue>,
    observed: &Observed,
) -> Result<()> {
    if spec.bucket.force_destroy {
        return Ok(());
    }
    let Some(queue) = queues.into_iter().find(|queue| queue.messages > 0) else {
        return Ok(());
    };
    let is_outbox = observed.outboxes.values().any(|one| one.url == queue.url);
    let whose = if is_outbox {
        " that have not reached the peer"
    } else {
        ""
    };
    Err(holds_messages(queue, whose))
}

impl Observed {
    /// The transaction queue, its dead letters, and what is to be delivered elsewhere.
    fn of_transactions(&self) -> impl Iterator<Item = &Queue> {
        let own = [&self.queue, &self.dead_letters];
        own.into_iter().flatten().chain(self.outboxes.values())
    }
}

/// Removes the bucket and all queues; what is gone already is as good.
///
/// # Errors
/// As [`admit_delete`]; nothing was removed then, unless an object came while queues were.
pub async fn delete(scope: &Scope, spec: &Spec) -> Result<()> {
    let observed = look(scope, spec).await?;
    let aws = Aws::new(&spec.account);
    let name = &spec.bucket.name;
    scope
        .guard("removing the alias", async {
            refuse_to_lose(&aws, spec, &observed).await?;
            if observed.bucket.is_some() && spec.bucket.force_destroy {
                scope.tell(&format!("emptying bucket {name}"));
                // Nothing is to be told of this.
                Box::pin(aws.set_events(name, None)).await?;
                Box::pin(aws.empty_bucket(name)).await?;
            }
            // The transaction queue after those that are known by it, and the bucket last, as the alias is known by that:
            // what a killed run leaves is found again.
            let queues: Vec<(&str, &Queue)> = observed.queues().collect();
            for (queue, found) in queues.into_iter().rev() {
                scope.tell(&format!("deleting queue {queue}"));
                Box::pin(aws.delete_queue(found)).await?;
            }
            if observed.bucket.is_some() {
                scope.tell(&format!("deleting bucket {name}"));
                Box::pin(aws.delete_bucket(name)).await?;
            }
            Ok(())
        })
        .await
}

/// Checks that the alias can be removed. Changes nothing.
///
/// # Errors
/// [`Error::NotEmpty`] where the bucket holds objects or the transaction queue, its dead letters or an outbox messages,
/// unless `force_destroy` is set.
pub async fn admit_delete(scope: &Scope, spec: &Spec) -> Result<()> {
    let observed = look(scope, spec).await?;
    let aws = Aws::new(&spec.account);
    scope
        .guard(
            "asking what the alias holds",
            refuse_to_lose(&aws, spec, &observed),
        )
        .await
}

async fn refuse_to_lose(aws: &Aws, spec: &Spec, observed: &Observed) -> Result<()> {
    refuse_loss(spec, observed.of_transactions(), observed)?;
    let name = &spec.bucket.name;
    if observed.bucket.is_some()
        && !spec.bucket.force_destroy
        && Box::pin(aws.bucket_holds_objects(name)).await?
    {
        return Err(not_empty(name));
    }
    Ok(())
}

/// Removes the transaction queue of an alias that is to go on without one, with its dead letters and outboxes.
///
/// # Errors
/// [`Error::NotEmpty`] where one of them holds messages, unless `force_destroy` is set.
pub async fn remove_queue(scope: &Scope, spec: &Spec) -> Result<()> {
    let observed = look(scope, spec).await?;
    let aws = Aws::new(&spec.account);
    scope
        .guard(
            "removing the queue",
            delete_queues(scope, &aws, spec, &observed),
        )
        .await
}

async fn delete_queues(scope: &Scope, aws: &Aws, spec: &Spec, observed: &Observed) -> Result<()> {
    refuse_loss(spec, observed.of_transactions(), observed)?;
    for queue in observed.of_transactions() {
        scope.tell(&format!("deleting queue {}", queue.url));
        Box::pin(aws.delete_queue(queue)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::super::spec::tests::spec;
    use super::*;
    use crate::aws::Bucket;
    use crate::aws::stand_in::StandIn;

    fn queue(name: &str, messages: u64) -> Queue {
        Queue {
            url: format!("http://queue/{name}"),
            arn: format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
            messages,
            ..Queue::default()
        }
    }

    #[test]
    fn a_create_takes_only_what_a_create_of_this_alias_began() {
        let bucket = Some(Bucket::default());
        let (own, events) = (queue("tx.fifo", 0), queue("audit-us-events", 0));
        let table = [
            (None, None, None, None, None),
            (bucket.clone(), None, None, None, Some("audit-us")),
            (bucket.clone(), Some("tx.fifo"), None, None, None),
            (bucket.clone(), Some("tx.fifo"), Some(&own), None, None),
            // The interrupted create was of an alias with another queue, or none.
            (
                bucket.clone(),
                Some("other"),
                Some(&own),
                None,
                Some("tx.fifo"),
            ),
            (bucket, Some(""), Some(&own), None, Some("tx.fifo")),
            (None, None, Some(&own), None, Some("tx.fifo")),
            (None, None, None, Some(&events), Some("audit-us-events")),
        ];
        for (bucket, begun, queue, events, refused) in table {
            let observed = Observed {
                bucket,
                begun: begun.map(str::to_owned),
                queue: queue.cloned(),
                events: events.cloned(),
                ..Observed::default()
            };
            let found = stranger(&spec(), &observed).map(|(_, name)| name);
            assert_eq!(found.as_deref(), refused, "{observed:?}");
        }
    }

    #[test]
    fn messages_are_lost_with_consent_alone_wherever_they_wait() {
        let holds: [fn(&mut Observed); 3] = [
            |observed| observed.queue = Some(queue("tx.fifo", 1)),
            |observed| observed.dead_letters = Some(queue("tx-dlq.fifo", 2)),
            |observed| {
                let outbox = queue("tx-to-eu-central-1.fifo", 3);
                observed
                    .outboxes
                    .insert("tx-to-eu-central-1.fifo".into(), outbox);
            },
        ];
        for hold in holds {
            let (mut observed, mut asked) = (Observed::default(), spec());
            hold(&mut observed);
            let refused = |spec: &Spec| refuse_loss(spec, observed.of_transactions(), &observed);
            let error = refused(&asked).unwrap_err();
            assert!(matches!(error, Error::NotEmpty { .. }), "{error}");
            asked.bucket.force_destroy = true;
            assert!(refused(&asked).is_ok());
        }
        // They are about the bucket, which is asked itself.
        let events = Observed {
            events: Some(queue("audit-us-events", 9)),
            ..Observed::default()
        };
        assert!(refuse_loss(&spec(), events.of_transactions(), &events).is_ok());
    }

    #[tokio::test]
    async fn a_queue_waits_for_its_name_and_says_so() {
        let asked = AtomicUsize::new(0);
        let server = StandIn::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => {
                let told =
                    r#"{"__type": "com.amazonaws.sqs#QueueDeletedRecently", "message": "wait"}"#;
                (400, told.to_owned())
            }
            _ => (200, r#"{"QueueUrl": "http://queue/tx"}"#.to_owned()),
        });
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let scope = Scope::default().with_progress(Arc::new(move |text| {
            heard.lock().unwrap().push(text.to_owned());
        }));
        let wanted = desired::queues(&spec(), "000000000000").remove(0);
        create_queue(&scope, &server.aws(), &wanted, "audit-us")
            .await
            .unwrap();
        assert_eq!(server.seen().len(), 3);
        assert!(server.last().body.contains("atlas:alias"));
        let told = told.lock().unwrap();
        assert!(
            told.len() == 1 && told[0].contains("less than a minute ago"),
            "{told:?}"
        );
    }

    #[tokio::test]
    async fn a_queue_waits_for_its_name_no_longer_than_the_operation_may_take() {
        let server = StandIn::start(|_| {
            let told = r#"{"__type": "com.amazonaws.sqs#QueueDeletedRecently", "message": "wait"}"#;
            (400, told.to_owned())
        });
        let scope = Scope::default().with_timeout(std::time::Duration::from_millis(400));
        let wanted = desired::queues(&spec(), "000000000000").remove(0);
        let error = create_queue(&scope, &server.aws(), &wanted, "audit-us")
            .await
            .unwrap_err();
        let told = error.to_string();
        assert!(
            matches!(error, Error::TimedOut { .. }) && told.contains("tx-dlq.fifo"),
            "{told}"
        );
    }
}
