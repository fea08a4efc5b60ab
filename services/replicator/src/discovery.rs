//! What there is to do: read from the own server, again and again, because there is no other state.

use std::collections::HashMap;

use aws_sdk_s3::error::ProvideErrorMetadata;

use crate::bucket::Bucket;
use crate::cloud::Cloud;
use crate::failure::{Class, Failure, Result};
use crate::queue::{FIFO, Queue, parse_arn};
use crate::rules::Rules;
use crate::stamp::Origin;

/// The tag of an outbox; its value is the ARN of the queue that its messages are for.
const FORWARD_TAG: &str = "atlas:forward-to";

/// A bucket that is to be replicated.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// The own bucket.
    pub own: Bucket,
    /// What goes where.
    pub rules: Rules,
    /// The destinations' buckets by name.
    pub peers: HashMap<String, Bucket>,
    /// Where the bucket tells of its changes; none where it does not.
    pub events: Option<Queue>,
}

/// An outbox and the queue that it is for.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    /// The own queue.
    pub from: Queue,
    /// The peer's.
    pub to: Queue,
}

/// Everything that was found, and what stands in the way.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Buckets.
    pub links: Vec<Link>,
    /// Queues.
    pub outboxes: Vec<Outbox>,
    /// What a person should know.
    pub remarks: Vec<String>,
}

/// Looks around; remembers where destinations were, for when their server is away.
#[derive(Debug)]
pub(crate) struct Discovery {
    own: Cloud,
    peers: Vec<Cloud>,
    regions: Vec<String>,
    buckets: HashMap<String, Bucket>,
    queues: HashMap<String, Queue>,
}

impl Discovery {
    /// Nothing is known yet.
    pub(crate) fn new(own: Cloud, peers: Vec<Cloud>, regions: Vec<String>) -> Self {
        Self {
            own,
            peers,
            regions,
            buckets: HashMap::new(),
            queues: HashMap::new(),
        }
    }

    /// Everything that there is to do now. Fails where the own server does not answer.
    pub(crate) async fn look(&mut self) -> Result<Found> {
        let mut found = Found::default();
        let home = self.regions.first().cloned().unwrap_or_default();
        for (name, born) in list_buckets(&self.own, &home).await? {
            let Some((rules, ignored)) = replication(&self.own, &home, &name).await? else {
                continue;
            };
            found.remarks.extend(
                ignored
                    .into_iter()
                    .map(|why| format!("bucket {name}: {why}")),
            );
            let own = bucket(&self.own, &home, &name, born).await?;
            let mut peers = HashMap::new();
            for destination in rules.destinations() {
                match self
                    .destination(&home, destination, &name, &mut found.remarks)
                    .await
                {
                    Some(peer) => drop(peers.insert(destination.to_owned(), peer)),
                    None => found.remarks.push(format!(
                        "bucket {name}: its destination {destination} is on no server yet"
                    )),
                }
            }
            let events = self.events(&own, &mut found.remarks).await?;
            found.links.push(Link {
                own,
                rules,
                peers,
                events,
            });
        }
        for region in self.regions.clone() {
            self.outboxes(&region, &mut found).await?;
        }
        Ok(found)
    }

    /// The queue that a bucket tells of its changes.
    async fn events(&self, own: &Bucket, remarks: &mut Vec<String>) -> Result<Option<Queue>> {
        let name = &own.origin.bucket;
        let call = self
            .own
            .s3(&own.origin.region)
            .get_bucket_notification_configuration()
            .bucket(name);
        let told = call.send().await;
        let told = told.map_err(|error| Failure::of("read the notifications of", name, error))?;
        for arn in told
            .queue_configurations()
            .iter()
            .map(aws_sdk_s3::types::QueueConfiguration::queue_arn)
        {
            let Some((region, queue)) = parse_arn(arn) else {
                continue;
            };
            if queue.trim_end_matches(FIFO).ends_with("-events")
                && let Some(queue) = Queue::find(&self.own, region, queue).await?
            {
                return Ok(Some(queue));
            }
        }
        remarks.push(format!(
            "bucket {name}: no notifications to a queue {name}-events; only sweeps will carry its objects"
        ));
        Ok(None)
    }

    /// The peers come first. `LocalStack` takes a replication configuration only where the destination is a
    /// bucket of the same server, so a stand-in of its name may be here.
    async fn destination(
        &mut self,
        home: &str,
        name: &str,
        source: &str,
        remarks: &mut Vec<String>,
    ) -> Option<Bucket> {
        let own = (name != source).then(|| self.own.clone());
        for cloud in self.peers.iter().chain(&own) {
            match find_bucket(cloud, home, name).await {
                Ok(Some(found)) => {
                    self.buckets.insert(name.to_owned(), found.clone());
                    return Some(found);
                }
                Ok(None) => {}
                Err(failure) => {
                    // Where it was, if that is known; never whoever comes next in the list.
                    remarks.push(failure.to_string());
                    return self.buckets.get(name).cloned();
                }
            }
        }
        None
    }

    async fn outboxes(&mut self, region: &str, found: &mut Found) -> Result<()> {
        let sqs = self.own.sqs(region);
        let mut next = None;
        loop {
            let listed = sqs
                .list_queues()
                .max_results(1000)
                .set_next_token(next)
                .send()
                .await;
            let listed =
                listed.map_err(|error| Failure::of("list the queues of", region, error))?;
            for url in listed.queue_urls() {
                let tags = sqs.list_queue_tags().queue_url(url).send().await;
                let Ok(tags) = tags else { continue };
                let Some(arn) = tags.tags().and_then(|tags| tags.get(FORWARD_TAG)) else {
                    continue;
                };
                let name = url.rsplit('/').next().unwrap_or_default();
                let from = Queue {
                    cloud: self.own.clone(),
                    region: region.to_owned(),
                    name: name.to_owned(),
                    url: url.clone(),
                };
                match self.target(arn, &from, &mut found.remarks).await {
                    Some(to) => found.outboxes.push(Outbox { from, to }),
                    None => found.remarks.push(format!(
                        "queue {name}: its target {arn} is on no server yet"
                    )),
                }
            }
            next = listed.next_token;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    async fn target(
        &mut self,
        arn: &str,
        outbox: &Queue,
        remarks: &mut Vec<String>,
    ) -> Option<Queue> {
        let (region, name) = parse_arn(arn)?;
        let own = ((region, name) != (&outbox.region, &outbox.name)).then(|| self.own.clone());
        let mut away = false;
        for cloud in own.iter().chain(&self.peers) {
            match Queue::find(cloud, region, name).await {
                Ok(Some(found)) => {
                    self.queues.insert(arn.to_owned(), found.clone());
                    return Some(found);
                }
                Ok(None) => {}
                Err(failure) => {
                    away = true;
                    remarks.push(failure.to_string());
                }
            }
        }
        away.then(|| self.queues.get(arn).cloned()).flatten()
    }
}

async fn list_buckets(cloud: &Cloud, home: &str) -> Result<Vec<(String, i64)>> {
    let answer = cloud.s3(home).list_buckets().send().await;
    let answer =
        answer.map_err(|error| Failure::of("list the buckets at", cloud.endpoint(), error))?;
    let born = |bucket: &aws_sdk_s3::types::Bucket| {
        bucket.creation_date().map_or(0, |at| at.secs() * 1000)
    };
    let named = answer.buckets().iter();
    Ok(named
        .filter_map(|bucket| Some((bucket.name()?.to_owned(), born(bucket))))
        .collect())
}

async fn replication(
    cloud: &Cloud,
    home: &str,
    name: &str,
) -> Result<Option<(Rules, Vec<String>)>> {
    match cloud
        .s3(home)
        .get_bucket_replication()
        .bucket(name)
        .send()
        .await
    {
        Ok(answer) => Ok(answer.replication_configuration().map(Rules::read)),
        Err(error) if error.code() == Some("ReplicationConfigurationNotFoundError") => Ok(None),
        Err(error) => {
            let failure = Failure::of("read the replication of", name, error);
            // Removed since it was listed.
            if failure.told.starts_with("NoSuchBucket") {
                Ok(None)
            } else {
                Err(failure)
            }
        }
    }
}

async fn bucket(cloud: &Cloud, home: &str, name: &str, born: i64) -> Result<Bucket> {
    let answer = cloud
        .s3(home)
        .get_bucket_location()
        .bucket(name)
        .send()
        .await;
    let answer = answer.map_err(|error| Failure::of("look up the region of", name, error))?;
    let region = match answer
        .location_constraint()
        .map(aws_sdk_s3::types::BucketLocationConstraint::as_str)
    {
        None | Some("") => "us-east-1",
        Some("EU") => "eu-west-1",
        Some(region) => region,
    };
    Ok(Bucket {
        origin: Origin {
            region: region.to_owned(),
            bucket: name.to_owned(),
        },
        cloud: cloud.clone(),
        born,
    })
}

/// Marks a bucket that only stands for one on another server.
const STAND_IN_TAG: &str = "atlas:stand-in";

async fn is_stand_in(cloud: &Cloud, region: &str, name: &str) -> bool {
    let tags = cloud
        .s3(region)
        .get_bucket_tagging()
        .bucket(name)
        .send()
        .await;
    tags.is_ok_and(|tags| tags.tag_set().iter().any(|tag| tag.key() == STAND_IN_TAG))
}

async fn find_bucket(cloud: &Cloud, home: &str, name: &str) -> Result<Option<Bucket>> {
    let all = list_buckets(cloud, home).await?;
    match all.into_iter().find(|(other, _)| other == name) {
        None => Ok(None),
        Some(_) if is_stand_in(cloud, home, name).await => Ok(None),
        Some((_, born)) => match bucket(cloud, home, name, born).await {
            Err(failure) if failure.class == Class::Missing => Ok(None),
            found => found.map(Some),
        },
    }
}
