//! What a container has of its host besides memory and processors. Nothing of Atlas asks for it; the k3d CLI does
//! (`--runtime-ulimit`, `--host-pid-mode`, `--gpus`), and nodes that join such a cluster are to be like the others.

use std::collections::BTreeMap;

use bollard::models::{DeviceRequest, HostConfig, ResourcesUlimits};

/// As read, to be given to another container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runtime {
    /// Limits of its processes.
    pub ulimits: Vec<Ulimit>,
    /// Whose processes it sees: `host`, or `None` for its own.
    pub pid_mode: Option<String>,
    /// Devices, such as GPUs, by what they can do.
    pub devices: Vec<Devices>,
}

/// A limit by its name, `nofile` for instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// Its name.
    pub name: String,
    /// What a process has at first.
    pub soft: i64,
    /// What it may raise that to.
    pub hard: i64,
}

/// Devices that a driver is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// The driver; empty for whichever can.
    pub driver: String,
    /// How many, -1 for all.
    pub count: i64,
    /// These ones.
    pub ids: Vec<String>,
    /// What they can do: one of these lists, all of it.
    pub capabilities: Vec<Vec<String>>,
    /// For the driver.
    pub options: BTreeMap<String, String>,
}

impl Runtime {
    pub(super) fn from_host(host: &HostConfig) -> Self {
        let ulimits = host.ulimits.iter().flatten().map(|one| Ulimit {
            name: one.name.clone().unwrap_or_default(),
            soft: one.soft.unwrap_or_default(),
            hard: one.hard.unwrap_or_default(),
        });
        let devices = host.device_requests.iter().flatten().map(|one| Devices {
            driver: one.driver.clone().unwrap_or_default(),
            count: one.count.unwrap_or_default(),
            ids: one.device_ids.clone().unwrap_or_default(),
            capabilities: one.capabilities.clone().unwrap_or_default(),
            options: one.options.clone().into_iter().flatten().collect(),
        });
        Self {
            ulimits: ulimits.collect(),
            pid_mode: host.pid_mode.clone().filter(|mode| !mode.is_empty()),
            devices: devices.collect(),
        }
    }

    pub(super) fn ulimits(&self) -> Option<Vec<ResourcesUlimits>> {
        let all = self.ulimits.iter().map(|one| ResourcesUlimits {
            name: Some(one.name.clone()),
            soft: Some(one.soft),
            hard: Some(one.hard),
        });
        (!self.ulimits.is_empty()).then(|| all.collect())
    }

    pub(super) fn device_requests(&self) -> Option<Vec<DeviceRequest>> {
        let all = self.devices.iter().map(|one| DeviceRequest {
            driver: Some(one.driver.clone()),
            count: Some(one.count),
            device_ids: Some(one.ids.clone()),
            capabilities: Some(one.capabilities.clone()),
            options: Some(one.options.clone().into_iter().collect()),
        });
        (!self.devices.is_empty()).then(|| all.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_of_a_container_is_given_to_another_as_it_is() {
        let told = serde_json::json!({
            "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 4096}],
            "PidMode": "host",
            "DeviceRequests": [{"Driver": "", "Count": -1, "DeviceIDs": null, "Capabilities": [["gpu"]], "Options": {}}],
        });
        let host: HostConfig = serde_json::from_value(told).unwrap();
        let read = Runtime::from_host(&host);
        assert_eq!(read.pid_mode.as_deref(), Some("host"));
        assert_eq!(read.devices[0].count, -1);
        let again = HostConfig {
            ulimits: read.ulimits(),
            pid_mode: read.pid_mode.clone(),
            device_requests: read.device_requests(),
            ..HostConfig::default()
        };
        assert_eq!(again.ulimits, host.ulimits);
        assert_eq!(Runtime::from_host(&again), read);
    }

    #[test]
    fn a_container_of_which_nothing_is_told_asks_for_nothing() {
        let told = serde_json::json!({"PidMode": "", "Ulimits": [], "DeviceRequests": null});
        let host: HostConfig = serde_json::from_value(told).unwrap();
        let read = Runtime::from_host(&host);
        assert_eq!(read, Runtime::default());
        assert_eq!((read.ulimits(), read.device_requests()), (None, None));
    }
}
