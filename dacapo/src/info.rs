use core::fmt;
use core::str::FromStr;

/// An API that devices are reached through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// The processor itself, always there.
    Cpu,
    /// Vulkan 1.2 or later.
    Vulkan,
    /// Apple's Metal.
    Metal,
    /// The interpreter that checks what kernels do, always there.
    Reference,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Cpu => "cpu",
            Backend::Vulkan => "vulkan",
            Backend::Metal => "metal",
            Backend::Reference => "reference",
        })
    }
}

impl FromStr for Backend {
    type Err = ();

    fn from_str(text: &str) -> Result<Backend, ()> {
        match text {
            "cpu" => Ok(Backend::Cpu),
            "vulkan" => Ok(Backend::Vulkan),
            "metal" => Ok(Backend::Metal),
            "reference" => Ok(Backend::Reference),
            _ => Err(()),
        }
    }
}

/// What a device is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// A GPU with memory of its own.
    DiscreteGpu,
    /// A GPU that shares the processor's memory.
    IntegratedGpu,
    /// A driver that runs GPU code on the processor.
    SoftwareGpu,
    /// The processor, through native kernels.
    Cpu,
    /// An interpreter that runs GPU code on the processor and checks it.
    Reference,
}

impl DeviceKind {
    /// Whether it is a GPU, and not something on the processor that stands in for one.
    pub fn is_gpu(self) -> bool {
        match self {
            DeviceKind::DiscreteGpu | DeviceKind::IntegratedGpu => true,
            DeviceKind::SoftwareGpu | DeviceKind::Cpu | DeviceKind::Reference => false,
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeviceKind::DiscreteGpu => "discrete GPU",
            DeviceKind::IntegratedGpu => "integrated GPU",
            DeviceKind::SoftwareGpu => "software GPU",
            DeviceKind::Cpu => "CPU",
            DeviceKind::Reference => "interpreter",
        })
    }
}

/// One device of this machine, as [`Device::enumerate`](crate::Device::enumerate) lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Position in the list, accepted by [`DeviceSelector::Index`](crate::DeviceSelector::Index).
    pub index: usize,
    /// The device's own name.
    pub name: String,
    /// The API it is reached through.
    pub backend: Backend,
    /// The driver and its version, as it names itself; empty where there is none.
    pub driver: String,
    /// What it is made of.
    pub kind: DeviceKind,
    /// Memory in bytes, free or not.
    pub memory: u64,
    /// Worker threads or compute units.
    pub compute_units: u32,
    /// What sets its speed apart, such as instruction sets, in the vendor's terms.
    pub features: Vec<&'static str>,
}

/// A backend that gives no devices, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbsentBackend {
    /// The backend.
    pub backend: Backend,
    /// Why it gives no devices here.
    pub reason: String,
}

/// The devices of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices {
    /// Devices that can be opened.
    pub devices: Vec<DeviceInfo>,
    /// Backends without a device.
    pub absent: Vec<AbsentBackend>,
}

/// The largest values a device takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bindings of one kernel.
    pub max_bindings: u32,
    /// The highest number of a slot, where the device numbers them.
    pub max_slot: Option<u32>,
    /// Bytes of one binding.
    pub max_binding_bytes: u64,
    /// Inline bytes of one dispatch.
    pub max_inline_bytes: u32,
    /// Workgroups along each axis of a dispatch.
    pub max_groups: [u32; 3],
    /// Workgroups of one dispatch in all.
    pub max_total_groups: u64,
    /// Threads of one workgroup.
    pub max_group_threads: u32,
    /// Bytes of memory shared by one workgroup.
    pub max_shared_bytes: u32,
    /// Smallest alignment of a binding's offset in bytes, a power of two.
    pub min_binding_alignment: u32,
}

/// What kernels written for GPUs can count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GpuFeatures {
    /// Invocations of a subgroup, the same for all kernels of the device: a power of two from 4 to 128, or
    /// what [`ReferenceOptions`](crate::reference::ReferenceOptions) ask for, from 1.
    pub subgroup_size: u32,
    /// `enable f16;`: arithmetic in half precision, and half-precision elements in buffers.
    pub f16: bool,
    /// `enable wgpu_cooperative_matrix;`: the matrices that a subgroup multiplies together, if it does.
    pub cooperative_matrix: Option<CooperativeMatrix>,
}

/// Square matrices of f16 whose products are summed in f32, spread over the invocations of a subgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CooperativeMatrix {
    /// `coop_mat8x8`, as Apple's GPUs have them.
    Size8,
    /// `coop_mat16x16`, as most others have them.
    Size16,
}

impl CooperativeMatrix {
    /// Rows, and columns, of each matrix.
    pub const fn size(self) -> u32 {
        match self {
            CooperativeMatrix::Size8 => 8,
            CooperativeMatrix::Size16 => 16,
        }
    }
}

impl FromStr for CooperativeMatrix {
    type Err = ();

    fn from_str(text: &str) -> Result<CooperativeMatrix, ()> {
        match text {
            "8" => Ok(CooperativeMatrix::Size8),
            "16" => Ok(CooperativeMatrix::Size16),
            _ => Err(()),
        }
    }
}

/// How much memory a device may use, and uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Bytes the device may allocate in all.
    pub budget: u64,
    /// Bytes it has allocated. Imported buffers do not count: their owner holds them.
    pub used: u64,
}
