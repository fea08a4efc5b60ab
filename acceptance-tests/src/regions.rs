//! Two regions of a simulated cloud: a real LocalStack each, a bucket each that is replicated to the
//! other, an outbox each for the other's queue, and a replicator each.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region as AwsRegion, SharedHttpClient};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination, Event,
    NotificationConfiguration, QueueConfiguration, ReplicationConfiguration, ReplicationRule,
    ReplicationRuleFilter, ReplicationRuleStatus, Tag, Tagging, VersioningConfiguration,
};
use aws_sdk_sqs::types::QueueAttributeName;
use tokio::runtime::Runtime;

use crate::docker::Docker;
use crate::sandbox::{Sandbox, eventually};
use crate::settings::Settings;

/// The account that LocalStack has without any other word.
const ACCOUNT: &str = "000000000000";
/// What a replicator has to do with: far less than the objects that it carries.
pub const REPLICATOR_MEMORY: &str = "64m";

/// One region.
#[derive(Debug)]
pub struct Region {
    /// Its name.
    pub name: &'static str,
    /// Its bucket.
    pub bucket: String,
    /// Its S3.
    pub s3: aws_sdk_s3::Client,
    /// Its SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// LocalStack's container.
    pub container: String,
    /// The replicator's container.
    pub replicator: String,
    /// Where the server is, for programs on this machine.
    pub endpoint: String,
    /// The replicator's `/metrics`, a port of 127.0.0.1.
    pub metrics_port: u16,
}

/// Two regions, and what to wait for them with.
#[derive(Debug)]
pub struct Regions {
    /// us-east-1.
    pub us: Region,
    /// eu-central-1.
    pub eu: Region,
    /// Carries out the calls.
    pub runtime: Runtime,
    network: String,
}

/// An object as a user sees it; without what the replicator notes in its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its content type.
    pub content_type: Option<String>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Regions {
    /// Starts both servers and sets them up; replicators are started by [`Regions::start_replicators`].
    pub fn open(sandbox: &Sandbox) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let network = sandbox.name("cloud");
        let subnet = sandbox.subnet(0);
        Docker::new().run(&["network", "create", "--subnet", &subnet, &network])?;
        // All at once, because a port that is taken is not counted any more.
        let ports = [
            sandbox.port(0)?,
            sandbox.port(1)?,
            sandbox.port(2)?,
            sandbox.port(3)?,
        ];
        let us = Region::start(sandbox, &network, "us-east-1", "us", [ports[0], ports[1]])?;
        let eu = Region::start(
            sandbox,
            &network,
            "eu-central-1",
            "eu",
            [ports[2], ports[3]],
        )?;
        let regions = Self {
            us,
            eu,
            runtime,
            network,
        };
        for (own, peer) in regions.both() {
            eventually(Duration::from_secs(60), || {
                Ok(regions.runtime.block_on(own.s3.list_buckets().send())?)
            })
            .with_context(|| format!("{} does not answer", own.container))?;
            regions.runtime.block_on(own.set_up(peer))?;
        }
        Ok(regions)
    }

    /// Each region with its peer.
    pub fn both(&self) -> [(&Region, &Region); 2] {
        [(&self.us, &self.eu), (&self.eu, &self.us)]
    }

    /// Starts a replicator beside each server, and waits until both are healthy. `variables` are given to
    /// them besides what they need.
    pub fn start_replicators(&self, variables: &[(&str, &str)]) -> Result<()> {
        for (own, peer) in self.both() {
            self.start_replicator(own, peer, variables)?;
        }
        for (own, _) in self.both() {
            own.expect_healthy()?;
        }
        Ok(())
    }

    fn start_replicator(&self, own: &Region, peer: &Region, more: &[(&str, &str)]) -> Result<()> {
        let port = format!("127.0.0.1:{}:9565", own.metrics_port);
        let endpoint = format!("http://{}:4566", own.container);
        let peers = format!("http://{}:4566", peer.container);
        let mut variables = vec![
            ("ATLAS_REPLICATOR_ENDPOINT", endpoint.as_str()),
            ("ATLAS_REPLICATOR_PEERS", &peers),
            ("ATLAS_REPLICATOR_REGIONS", own.name),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        variables.extend(more);
        let variables: Vec<String> = variables
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let mut arguments = vec![
            "run",
            "--detach",
            "--name",
            &own.replicator,
            "--network",
            &self.network,
        ];
        arguments.extend(["--memory", REPLICATOR_MEMORY, "--publish", &port]);
        for variable in &variables {
            arguments.extend(["--env", variable.as_str()]);
        }
        let image = &Settings::get()?.replicator_image;
        arguments.push(image);
        Docker::new().run(&arguments).map(drop)
    }

    /// Waits until nothing is under way between the regions: no messages in any queue of theirs.
    pub fn expect_quiet(&self, limit: Duration) -> Result<()> {
        eventually(limit, || {
            for (own, peer) in self.both() {
                for queue in [format!("{}-events", own.bucket), outbox(peer)] {
                    let waiting = self.runtime.block_on(own.depth(&queue))?;
                    ensure!(
                        waiting == 0,
                        "{waiting} messages are in {queue} of {}",
                        own.name
                    );
                }
            }
            Ok(())
        })
    }
}

impl Region {
    fn start(
        sandbox: &Sandbox,
        network: &str,
        name: &'static str,
        short: &str,
        ports: [u16; 2],
    ) -> Result<Self> {
        let container = sandbox.name(short);
        let [port, metrics_port] = ports;
        let publish = format!("127.0.0.1:{port}:4566");
        let image = &Settings::get()?.localstack_image;
        let mut arguments = vec![
            "run",
            "--detach",
            "--name",
            &container,
            "--network",
            network,
        ];
        arguments.extend(["--publish", &publish, "--env", "PERSISTENCE=1"]);
        arguments.extend(["--env", "SERVICES=s3,sqs,iam,sts", image]);
        Docker::new().run(&arguments)?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let http = aws_smithy_http_client::Builder::new().build_http();
        let (s3, sqs) = clients(&endpoint, name, &http);
        Ok(Self {
            name,
            bucket: format!("audit-{short}"),
            s3,
            sqs,
            replicator: format!("{container}-replicator"),
            container,
            endpoint,
            metrics_port,
        })
    }

    /// What `atlas_localstack_alias` makes of a region.
    async fn set_up(&self, peer: &Region) -> Result<()> {
        let bucket = &self.bucket;
        let mut create = self.s3.create_bucket().bucket(bucket);
        if self.name != "us-east-1" {
            let place = CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(self.name));
            create = create.create_bucket_configuration(place.build());
        }
        create.send().await.context("create bucket")?;
        let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
        let call = self.s3.put_bucket_versioning().bucket(bucket);
        call.versioning_configuration(versioning.build())
            .send()
            .await?;

        let dead = self.queue(&format!("{bucket}-events-dlq"), &[]).await?;
        let redrive = format!(r#"{{"deadLetterTargetArn":"{dead}","maxReceiveCount":"5"}}"#);
        let events = [(QueueAttributeName::RedrivePolicy, redrive.as_str())];
        let events = self.queue(&format!("{bucket}-events"), &events).await?;
        let told = QueueConfiguration::builder()
            .queue_arn(events)
            .events(Event::from("s3:ObjectCreated:*"))
            .events(Event::from("s3:ObjectRemoved:*"));
        let told = NotificationConfiguration::builder().queue_configurations(told.build()?);
        let call = self
            .s3
            .put_bucket_notification_configuration()
            .bucket(bucket);
        call.notification_configuration(told.build()).send().await?;

        // LocalStack wants the destination on the same server; this one stands for it.
        let mut stand_in = self.s3.create_bucket().bucket(&peer.bucket);
        if self.name != "us-east-1" {
            let place = CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(self.name));
            stand_in = stand_in.create_bucket_configuration(place.build());
        }
        stand_in.send().await.context("create the stand-in")?;
        let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
        let call = self.s3.put_bucket_versioning().bucket(&peer.bucket);
        call.versioning_configuration(versioning.build())
            .send()
            .await?;
        let tag = Tag::builder().key("atlas:stand-in").value("true").build()?;
        let tags = Tagging::builder().tag_set(tag).build()?;
        let call = self.s3.put_bucket_tagging().bucket(&peer.bucket);
        call.tagging(tags).send().await?;

        let markers =
            DeleteMarkerReplication::builder().status(DeleteMarkerReplicationStatus::Enabled);
        let rule = ReplicationRule::builder()
            .id("all")
            .priority(1)
            .status(ReplicationRuleStatus::Enabled)
            .filter(ReplicationRuleFilter::builder().prefix("").build())
            .delete_marker_replication(markers.build())
            .destination(
                Destination::builder()
                    .bucket(format!("arn:aws:s3:::{}", peer.bucket))
                    .build()?,
            );
        let acting_as = format!("arn:aws:iam::{ACCOUNT}:role/{bucket}-replication");
        let rules = ReplicationConfiguration::builder()
            .role(acting_as)
            .rules(rule.build()?);
        let call = self.s3.put_bucket_replication().bucket(bucket);
        call.replication_configuration(rules.build()?)
            .send()
            .await?;

        let fifo = [(QueueAttributeName::FifoQueue, "true")];
        self.queue("orders.fifo", &fifo).await?;
        let outbox = outbox(peer);
        self.queue(&outbox, &fifo).await?;
        let url = self.url(&outbox).await?;
        let target = format!("arn:aws:sqs:{}:{ACCOUNT}:orders.fifo", peer.name);
        let call = self
            .sqs
            .tag_queue()
            .queue_url(url)
            .tags("atlas:forward-to", target);
        call.send().await?;
        Ok(())
    }

    async fn queue(&self, name: &str, attributes: &[(QueueAttributeName, &str)]) -> Result<String> {
        let mut call = self.sqs.create_queue().queue_name(name);
        for (key, value) in attributes {
            call = call.attributes(key.clone(), *value);
        }
        call.send()
            .await
            .with_context(|| format!("create queue {name}"))?;
        Ok(format!("arn:aws:sqs:{}:{ACCOUNT}:{name}", self.name))
    }

    /// A queue's URL.
    pub async fn url(&self, queue: &str) -> Result<String> {
        let found = self.sqs.get_queue_url().queue_name(queue).send().await?;
        found.queue_url.context("no URL")
    }

    /// Messages that wait or are in flight.
    pub async fn depth(&self, queue: &str) -> Result<u64> {
        let call = self
            .sqs
            .get_queue_attributes()
            .queue_url(self.url(queue).await?);
        let all = call.attribute_names(QueueAttributeName::All).send().await?;
        let number = |name| {
            all.attributes()
                .and_then(|all| all.get(&name)?.parse::<u64>().ok())
        };
        Ok(
            number(QueueAttributeName::ApproximateNumberOfMessages).unwrap_or_default()
                + number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible)
                    .unwrap_or_default(),
        )
    }

    /// Current objects' keys, and how many versions and markers there are of all keys.
    pub async fn keys(&self) -> Result<(Vec<String>, usize)> {
        let mut pages = self
            .s3
            .list_object_versions()
            .bucket(&self.bucket)
            .send()
            .await?;
        let (mut keys, mut count) = (Vec::new(), 0);
        loop {
            let current = pages
                .versions()
                .iter()
                .filter(|one| one.is_latest() == Some(true));
            keys.extend(current.filter_map(|one| one.key().map(str::to_owned)));
            count += pages.versions().len() + pages.delete_markers().len();
            if pages.is_truncated() != Some(true) {
                keys.sort_unstable();
                return Ok((keys, count));
            }
            let call = self.s3.list_object_versions().bucket(&self.bucket);
            pages = call
                .set_key_marker(pages.next_key_marker)
                .set_version_id_marker(pages.next_version_id_marker)
                .send()
                .await?;
        }
    }

    /// One object.
    pub async fn see(&self, key: &str) -> Result<Seen> {
        let got = self
            .s3
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await;
        let got = got.with_context(|| format!("read {key} in {}", self.name))?;
        let metadata = got.metadata().into_iter().flatten();
        let metadata = metadata.filter(|(name, _)| *name != "atlas-source");
        Ok(Seen {
            content_type: got.content_type().map(str::to_owned),
            metadata: metadata
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            bytes: got.body.collect().await?.to_vec(),
        })
    }

    /// Waits until the replicator is healthy.
    pub fn expect_healthy(&self) -> Result<()> {
        eventually(Duration::from_secs(60), || {
            let answer = self.fetch("/healthz")?;
            ensure!(
                answer.contains(" 200 "),
                "{} answers {answer}",
                self.replicator
            );
            Ok(())
        })
    }

    /// Fetches a page of the replicator, headers and all.
    pub fn fetch(&self, path: &str) -> Result<String> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.metrics_port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The sum of a metric's samples, 0 where there are none.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let text = self.fetch("/metrics")?;
        let samples = text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name));
        Ok(samples
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }
}

/// The queue in which messages for a region wait.
pub fn outbox(peer: &Region) -> String {
    format!("orders-to-{}.fifo", peer.name)
}

fn clients(
    endpoint: &str,
    region: &str,
    http: &SharedHttpClient,
) -> (aws_sdk_s3::Client, aws_sdk_sqs::Client) {
    let credentials = Credentials::new("test", "test", None, None, "tests");
    let s3 = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(AwsRegion::new(region.to_owned()))
        .credentials_provider(credentials.clone())
        .http_client(http.clone())
        .force_path_style(true);
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(AwsRegion::new(region.to_owned()))
        .credentials_provider(credentials)
        .http_client(http.clone());
    (
        aws_sdk_s3::Client::from_conf(s3.build()),
        aws_sdk_sqs::Client::from_conf(sqs.build()),
    )
}
