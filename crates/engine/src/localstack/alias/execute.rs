//! Makes, changes and removes aliases.

use super::desired::{self, Desired};
use super::observe::{Observed, observe};
use super::plan::{Step, plan};
use super::spec::Spec;
use crate::aws::{Aws, Queue, holds_messages, not_empty};
use crate::context::Scope;
use crate::error::{Error, Result, refuse};
use crate::presence::Presence;

/// Checks that the alias can be made: the endpoint answers, the credentials are right, and the bucket's name is
/// free, or what has it is as wanted. Changes nothing.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::Exists`] where what is there differs by more than an interrupted run explains.
pub async fn admit(scope: &Scope, spec: &Spec) -> Result<Presence> {
    refuse(spec.problems())?;
    let observed = look(scope, spec).await?;
    if observed.bucket.is_none() && observed.queue.is_none() {
        return Ok(Presence::Absent);
    }
    let plan = plan(spec, &observed);
    // A bucket that is not whole yet holds nothing; one with objects that differs is somebody's.
    let aws = Aws::new(&spec.account);
    if !plan.steps.is_empty()
        && observed.bucket.is_some()
        && scope
            .guard(
                "looking into the bucket",
                Box::pin(aws.bucket_holds_objects(&spec.bucket.name)),
            )
            .await?
    {
        return Err(Error::Exists {
            kind: "bucket",
            name: spec.bucket.name.clone(),
            detail: crate::error::Existing::Differs,
            remedy: "It holds objects. Import it, or choose another name.".to_owned(),
        });
    }
    Ok(Presence::of(true, plan.steps.is_empty()))
}

async fn look(scope: &Scope, spec: &Spec) -> Result<Observed> {
    let queue = spec.queue.as_ref().map(|queue| queue.name.as_str());
    Box::pin(observe(scope, &spec.account, &spec.bucket.name, queue)).await
}

/// Brings the alias to what is wanted.
///
/// # Errors
/// [`Error::Invalid`]; [`Error::NeedsReplacement`]; [`Error::NotEmpty`] where an outbox that is to go holds messages;
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
    for step in &plan.steps {
        if let Step::DeleteQueue(name) = step {
            refuse_loss(spec, name, observed.outboxes.get(name))?;
        }
    }
    scope
        .guard("changing the alias", async {
            for step in &plan.steps {
                scope.tell(&step.summary(&spec.bucket.name));
                Box::pin(carry_out(&aws, spec, &observed, &wanted, step)).await?;
            }
            Ok(())
        })
        .await?;
    look(scope, spec).await
}

async fn carry_out(
    aws: &Aws,
    spec: &Spec,
    observed: &Observed,
    wanted: &[Desired],
    step: &Step,
) -> Result<()> {
    let bucket = &spec.bucket;
    let queue = |name: &str| {
        let wanted = wanted.iter().find(|one| one.name == name);
        let found = observed.all().find(|(known, _)| *known == name);
        (wanted, found.map(|(_, queue)| queue))
    };
    match step {
        Step::CreateBucket => Box::pin(aws.create_bucket(&bucket.name)).await,
        Step::Versioning(on) => Box::pin(aws.set_versioning(&bucket.name, *on)).await,
        Step::PublicAccessBlock(on) => {
            Box::pin(aws.set_public_access_block(&bucket.name, *on)).await
        }
        Step::Lifecycle => {
            let (days, noncurrent) = (bucket.expiration_days, bucket.noncurrent_expiration_days);
            Box::pin(aws.set_lifecycle(&bucket.name, days, noncurrent)).await
        }
        Step::BucketTags => Box::pin(aws.set_bucket_tags(&bucket.name, &bucket.tags)).await,
        Step::CreateQueue(name) => match queue(name) {
            (Some(wanted), _) => {
                Box::pin(aws.create_queue(name, &wanted.attributes, &wanted.tags)).await
            }
            _ => Ok(()),
        },
        Step::SetQueue(name) => match queue(name) {
            (Some(wanted), Some(found)) => Box::pin(aws.set_queue(found, &wanted.attributes)).await,
            _ => Ok(()),
        },
        Step::QueueTags(name) => match queue(name) {
            (Some(wanted), Some(found)) => Box::pin(aws.set_queue_tags(found, &wanted.tags)).await,
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

impl Observed {
    /// All queues, by name.
    fn all(&self) -> impl Iterator<Item = (&str, &Queue)> {
        [
            &self.queue,
            &self.dead_letters,
            &self.events,
            &self.event_dead_letters,
        ]
        .into_iter()
        .flatten()
        .chain(self.outboxes.values())
        .map(|queue| (queue.arn.rsplit(':').next().unwrap_or_default(), queue))
    }
}

/// Messages in an outbox exist nowhere else.
fn refuse_loss(spec: &Spec, name: &str, outbox: Option<&Queue>) -> Result<()> {
    match outbox {
        Some(queue) if queue.messages > 0 && !spec.bucket.force_destroy => {
            Err(holds_messages(name, queue.messages))
        }
        _ => Ok(()),
    }
}

/// Removes the bucket and all queues; what is gone already is as good.
///
/// # Errors
/// [`Error::NotEmpty`] where the bucket holds objects or the outbox messages, unless `force_destroy` is set; nothing
/// was removed then, unless an object came while queues were.
pub async fn delete(scope: &Scope, spec: &Spec) -> Result<()> {
    let observed = look(scope, spec).await?;
    let aws = Aws::new(&spec.account);
    let name = &spec.bucket.name;
    scope
        .guard("removing the alias", async {
            for (outbox, queue) in &observed.outboxes {
                refuse_loss(spec, outbox, Some(queue))?;
            }
            let has_bucket = observed.bucket.is_some();
            if has_bucket {
                if spec.bucket.force_destroy {
                    scope.tell(&format!("emptying bucket {name}"));
                    // Nothing is to be told of this.
                    Box::pin(aws.set_events(name, None)).await?;
                    Box::pin(aws.empty_bucket(name)).await?;
                } else if Box::pin(aws.bucket_holds_objects(name)).await? {
                    return Err(not_empty(name));
                }
            }
            // The transaction queue after those that are known by it, and the bucket last, as the alias is known by that:
            // what a killed run leaves is found again.
            let queues: Vec<(&str, &Queue)> = observed.all().collect();
            for (queue, found) in queues.into_iter().rev() {
                scope.tell(&format!("deleting queue {queue}"));
                Box::pin(aws.delete_queue(found)).await?;
            }
            if has_bucket {
                scope.tell(&format!("deleting bucket {name}"));
                Box::pin(aws.delete_bucket(name)).await?;
            }
            Ok(())
        })
        .await
}

/// Removes the transaction queue of an alias that is to go on without one, with its dead letters and outboxes.
///
/// # Errors
/// [`Error::NotEmpty`] where an outbox holds messages, unless `force_destroy` is set.
pub async fn remove_queue(scope: &Scope, spec: &Spec) -> Result<()> {
    let observed = look(scope, spec).await?;
    let aws = Aws::new(&spec.account);
    scope
        .guard("removing the queue", async {
            for (outbox, queue) in &observed.outboxes {
                refuse_loss(spec, outbox, Some(queue))?;
            }
            let own = [&observed.queue, &observed.dead_letters];
            for queue in own.into_iter().flatten().chain(observed.outboxes.values()) {
                scope.tell(&format!("deleting queue {}", queue.url));
                Box::pin(aws.delete_queue(queue)).await?;
            }
            Ok(())
        })
        .await
}
