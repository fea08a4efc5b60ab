//! Failures by what is to be done about them.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use std::error::Error;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {object}: {told}")]
pub(crate) struct Failure {
    /// What was wanted.
    pub operation: &'static str,
    /// Of what.
    pub object: String,
    /// What the server, or the way to it, said.
    pub told: String,
    /// What is to be done.
    pub class: Class,
}

/// What is to be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The server is away, busy or not set up yet: the same again, later.
    Later,
    /// Somebody else has changed the object: look again.
    Changed,
    /// What was asked for is not there.
    Missing,
    /// Trying again will not help.
    Refused,
}

/// What a call gives.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Of a call of an SDK.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that it reads well in map_err"
    )]
    pub(crate) fn of<E>(
        operation: &'static str,
        object: impl Into<String>,
        error: SdkError<E>,
    ) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        let (code, message) = (
            error.code().unwrap_or_default(),
            error.message().unwrap_or_default(),
        );
        let told = match (&error, code) {
            (SdkError::ServiceError(_), "") => format!("status {}", status.unwrap_or_default()),
            (SdkError::ServiceError(_), _) => format!("{code}: {message}"),
            _ => DisplayErrorContext(&error).to_string(),
        };
        Self {
            operation,
            object: object.into(),
            told,
            class: classify(status, code),
        }
    }

    /// Of our own.
    pub(crate) fn new(
        operation: &'static str,
        object: impl Into<String>,
        told: impl Into<String>,
        class: Class,
    ) -> Self {
        Self {
            operation,
            object: object.into(),
            told: told.into(),
            class,
        }
    }
}

fn classify(status: Option<u16>, code: &str) -> Class {
    match (status, code) {
        // A region that comes up again has its buckets and queues a little later.
        (_, "NoSuchBucket" | "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue") => {
            Class::Later
        }
        (_, "PreconditionFailed" | "ConditionalRequestConflict" | "OperationAborted")
        | (Some(412), _) => Class::Changed,
        (
            _,
            "SlowDown"
            | "RequestTimeout"
            | "ThrottlingException"
            | "RequestThrottled"
            | "Throttling",
        ) => Class::Later,
        (_, "NoSuchKey" | "NoSuchVersion" | "NoSuchUpload" | "NotFound") | (Some(404), _) => {
            Class::Missing
        }
        (None | Some(408 | 429 | 500..), _) => Class::Later,
        _ => Class::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_remedy() {
        for (status, code, class) in [
            (None, "", Class::Later),
            (Some(503), "SlowDown", Class::Later),
            (Some(500), "InternalError", Class::Later),
            (Some(404), "NoSuchBucket", Class::Later),
            (Some(404), "", Class::Missing),
            (Some(404), "NoSuchKey", Class::Missing),
            (Some(412), "", Class::Changed),
            (Some(409), "ConditionalRequestConflict", Class::Changed),
            (Some(403), "AccessDenied", Class::Refused),
            (Some(400), "MetadataTooLarge", Class::Refused),
        ] {
            assert_eq!(classify(status, code), class, "{status:?} {code}");
        }
    }
}
