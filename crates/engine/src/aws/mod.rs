//! An endpoint of AWS's kind: the only part of Atlas that knows the AWS SDK.
//!
//! Any endpoint given by URL will do: LocalStack, AWS itself, or another that speaks S3, SQS and STS. Buckets are
//! named in the path, and checksums are sent only where the operation demands them, because not every endpoint
//! knows them.

mod lifecycle;
mod replication;
mod s3;
mod sqs;
#[cfg(test)]
pub(crate) mod stand_in;

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::error::{Error, Result};
use crate::path::FieldPath;

pub use lifecycle::Lifecycle;
pub use replication::Replication;
pub use s3::Bucket;
pub(crate) use s3::not_empty;
pub use sqs::{Made, Queue, QueueAttributes};
pub(crate) use sqs::{holds_messages, name_of};

/// Time for a connection to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// Time for one attempt of a request.
const ATTEMPT: Duration = Duration::from_secs(30);
/// Attempts per request.
const ATTEMPTS: u32 = 3;
/// Time for the first answer of an endpoint, all attempts together. It is asked little then, and one that takes connections and
/// says nothing, as a paused server does, holds up each plan for so long.
const FIRST_ANSWER: Duration = Duration::from_secs(40);

/// Where an account is reached, and as who.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// The endpoint's URL.
    pub endpoint: String,
    /// AWS's name of the region.
    pub region: String,
    /// The access key's id.
    pub access_key: String,
    /// The access key's secret.
    pub secret_key: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Clients for one account in one region; clones share their connections.
#[derive(Clone)]
pub struct Aws {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    sts: aws_sdk_sts::Client,
    endpoint: String,
    region: String,
}

/// The settings that all services share; a macro, because each client has a builder of its own.
macro_rules! configured {
    ($builder:expr, $account:expr, $http:expr) => {
        $builder
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new($account.region.clone()))
            .endpoint_url($account.endpoint.trim_end_matches('/'))
            .credentials_provider(Credentials::new(
                &$account.access_key,
                &$account.secret_key,
                None,
                None,
                "atlas",
            ))
            .http_client($http.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT)
                    .operation_attempt_timeout(ATTEMPT)
                    .build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
    };
}

impl Aws {
    /// Clients; nothing is sent yet.
    pub fn new(account: &Account) -> Self {
        Self::patient(account, FIRST_ANSWER)
    }

    fn patient(account: &Account, first_answer: Duration) -> Self {
        let first = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_timeout(first_answer);
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let s3 = configured!(aws_sdk_s3::Config::builder(), account, http)
            .force_path_style(true)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        Self {
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            sqs: aws_sdk_sqs::Client::from_conf(
                configured!(aws_sdk_sqs::Config::builder(), account, http).build(),
            ),
            sts: aws_sdk_sts::Client::from_conf(
                configured!(aws_sdk_sts::Config::builder(), account, http)
                    .timeout_config(first.build())
                    .build(),
            ),
            endpoint: account.endpoint.clone(),
            region: account.region.clone(),
        }
    }

    /// The number of the account that the credentials belong to.
    ///
    /// # Errors
    /// [`Error::Invalid`] at `endpoint` where nothing answers there, at `access_key` where the credentials are
    /// refused.
    pub async fn account_id(&self) -> Result<String> {
        let told = self
            .sts
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| self.failed("ask for", "the account", error))?;
        Ok(told.account.unwrap_or_default())
    }

    /// Turns a client error into ours.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that it reads well in map_err"
    )]
    fn failed<E>(&self, operation: &'static str, object: &str, error: SdkError<E>) -> Error
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        let silent = match &error {
            SdkError::DispatchFailure(_)
            | SdkError::TimeoutError(_)
            | SdkError::ResponseError(_) => true,
            // A server that is just stopping, or what stands before it: the service itself would name an error.
            SdkError::ServiceError(told) => {
                told.err().code().is_none() && matches!(status, Some(500 | 502..=504))
            }
            _ => false,
        };
        if silent {
            return Error::invalid(
                FieldPath::of("endpoint"),
                silence(
                    &self.endpoint,
                    status,
                    &error,
                    matches!(&error, SdkError::DispatchFailure(_)),
                ),
                if reasons(&error).contains("certificate") {
                    "Set SSL_CERT_FILE to a file with the certificate, and use a host name that the certificate contains."
                } else {
                    "Check the URL and that the server is running."
                },
            );
        }
        let (code, message) = match error.as_service_error() {
            Some(known) => (
                known.code().unwrap_or_default().to_owned(),
                known.message().unwrap_or_default().to_owned(),
            ),
            None => (String::new(), String::new()),
        };
        if is_about_credentials(&code) {
            return Error::invalid(
                FieldPath::of("access_key"),
                format!(
                    "{} does not accept these credentials: {code} {message}",
                    self.endpoint
                ),
                "Check access_key and secret_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
            );
        }
        let message = match (code.is_empty(), message.is_empty()) {
            (true, true) => format!(
                "{} (status {})",
                DisplayErrorContext(&error),
                status.unwrap_or_default()
            ),
            (false, true) => code.clone(),
            (_, false) => format!("{code}: {message}"),
        };
        Error::Aws {
            operation,
            object: object.to_owned(),
            endpoint: self.endpoint.clone(),
            hint: hint(&code).to_owned(),
            message,
        }
    }
}

/// What is wrong with an endpoint that gives no answer of a service.
fn silence(
    endpoint: &str,
    status: Option<u16>,
    error: &dyn std::error::Error,
    connecting: bool,
) -> String {
    match status {
        Some(status @ 500..) => format!("{endpoint} answers with status {status}."),
        _ if connecting => format!("cannot connect to {endpoint}: {}.", root_cause(error)),
        _ => format!("{endpoint} does not answer: {}.", root_cause(error)),
    }
}

/// What an error began with, without the number that the kernel has for it: "connection refused".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    let told = root.to_string();
    let told = told
        .split(" (os error")
        .next()
        .unwrap_or_default()
        .trim_end_matches('.');
    let mut letters = told.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

/// An error and what caused it, in their own words.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        let text = one.to_string();
        if !told.ends_with(&text) {
            told = format!("{told}: {text}");
        }
        cause = one.source();
    }
    told
}

fn is_about_credentials(code: &str) -> bool {
    matches!(
        code,
        "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
            | "ExpiredToken"
            | "AuthFailure"
    )
}

/// What to do about it, where the service's own words leave one guessing.
fn hint(code: &str) -> &'static str {
    match code {
        "BucketAlreadyExists" => {
            ". Bucket names are shared by all accounts of an endpoint. Choose another"
        }
        "AccessDenied" | "AccessDeniedException" => {
            ". Grant this permission to the credentials, or use other ones"
        }
        "InvalidRequest" => {
            ". S3 accepts replication rules only if the peer's bucket exists and has versioning. Create it first"
        }
        "InternalFailure" => ". LocalStack also says this if the service is not in its `services`",
        _ => "",
    }
}

/// The code of a service's error.
fn code_of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> &str {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_endpoint_that_says_nothing_is_given_up_after_one_patience_and_not_one_for_each_attempt()
     {
        // Connections are made by the kernel, and nobody takes them.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let account = Account {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            region: "us-east-1".to_owned(),
            access_key: "test".to_owned(),
            secret_key: "test".to_owned(),
        };
        let patience = Duration::from_millis(300);
        let asked = Aws::patient(&account, patience);
        let begun = std::time::Instant::now();
        let error = asked.account_id().await.unwrap_err();
        assert!(crate::localstack::alias::gives_no_answer(&error), "{error}");
        assert!(begun.elapsed() < FIRST_ANSWER, "{:?}", begun.elapsed());
    }
}
