//! Clients of one server, one per region.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    SharedHttpClient,
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::settings::Settings;

const CONNECT: Duration = Duration::from_secs(3);
/// For one attempt; long polls take up to ten seconds of it.
const ATTEMPT: Duration = Duration::from_secs(30);

/// One server.
#[derive(Clone)]
pub(crate) struct Cloud(Arc<Inner>);

struct Inner {
    endpoint: String,
    credentials: Credentials,
    http: SharedHttpClient,
    s3: Mutex<HashMap<String, aws_sdk_s3::Client>>,
    sqs: Mutex<HashMap<String, aws_sdk_sqs::Client>>,
}

/// Only where it is: jobs are known by what they are about, and clients come and go.
impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.endpoint)
    }
}

impl Cloud {
    /// Nothing is sent yet.
    pub(crate) fn new(endpoint: &str, settings: &Settings) -> Self {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        Self(Arc::new(Inner {
            endpoint: endpoint.to_owned(),
            credentials: Credentials::new(
                &settings.access_key,
                &settings.secret_key,
                None,
                None,
                "environment",
            ),
            http,
            s3: Mutex::default(),
            sqs: Mutex::default(),
        }))
    }

    /// Its URL.
    pub(crate) fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// S3 in a region.
    pub(crate) fn s3(&self, region: &str) -> aws_sdk_s3::Client {
        let mut clients = self.0.s3.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(region.to_owned()).or_insert_with(|| {
            let config = aws_sdk_s3::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .endpoint_url(&self.0.endpoint)
                .region(Region::new(region.to_owned()))
                .credentials_provider(self.0.credentials.clone())
                .http_client(self.0.http.clone())
                .retry_config(retries())
                .timeout_config(timeouts())
                .force_path_style(true)
                // Not every server knows the newer checksums; lengths are checked here.
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
            aws_sdk_s3::Client::from_conf(config.build())
        });
        client.clone()
    }

    /// SQS in a region.
    pub(crate) fn sqs(&self, region: &str) -> aws_sdk_sqs::Client {
        let mut clients = self.0.sqs.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(region.to_owned()).or_insert_with(|| {
            let config = aws_sdk_sqs::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .endpoint_url(&self.0.endpoint)
                .region(Region::new(region.to_owned()))
                .credentials_provider(self.0.credentials.clone())
                .http_client(self.0.http.clone())
                .retry_config(retries())
                .timeout_config(timeouts());
            aws_sdk_sqs::Client::from_conf(config.build())
        });
        client.clone()
    }
}

/// Retries with backoff are the callers' business, who know what may be done again.
fn retries() -> RetryConfig {
    RetryConfig::disabled()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .build()
}
