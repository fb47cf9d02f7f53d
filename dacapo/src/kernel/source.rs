use std::borrow::Cow;

use crate::access::Access;
use crate::backend::cpu::CpuEntry;
use crate::kernel::{Binding, Interface, Msl, SharedMemory, Wgsl};
use crate::profile::{Dispatched, Work, WorkFn};

/// A kernel as its author wrote it: a name, a declaration of what it binds, and one or more forms.
///
/// A native CPU kernel cannot be reflected, so its declaration is part of the source. The encoder takes every
/// access from it; a kernel that reads or writes otherwise than declared faults.
///
/// ```
/// use dacapo::{Access, KernelFault, KernelSource, Workgroup};
///
/// fn double(group: &mut Workgroup<'_>) -> Result<(), KernelFault> {
///     let x = group.read::<f32>(0);
///     let first = group.id()[0] as usize * 64;
///     let range = first..(first + 64).min(x.len());
///     // SAFETY: workgroup `n` alone writes elements `64 n..64 n + 64`.
///     let y = unsafe { group.write::<f32>(1, range.clone()) };
///     for (y, x) in y.iter_mut().zip(&x[range]) {
///         *y = 2.0 * x;
///     }
///     Ok(())
/// }
///
/// let source = KernelSource::new("double")
///     .binding::<f32>(0, Access::Read)
///     .binding::<f32>(1, Access::Write)
///     .workgroup([64, 1, 1])
///     .cpu(double);
/// # let device = dacapo::Device::open(&dacapo::DeviceOptions::cpu())?;
/// let kernel = device.kernel(&source)?;
/// assert_eq!(kernel.interface().bindings().len(), 2);
/// # Ok::<(), dacapo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct KernelSource {
    name: Cow<'static, str>,
    op: Cow<'static, str>,
    interface: Interface,
    cpu: Option<CpuEntry>,
    wgsl: Option<Wgsl>,
    msl: Option<Msl>,
    transfer: Option<Transfer>,
    work: Option<WorkFn>,
}

/// What a kernel's author wrote, in the languages that devices take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forms {
    pub(crate) cpu: Option<CpuEntry>,
    pub(crate) wgsl: Option<Wgsl>,
    pub(crate) msl: Option<Msl>,
}

/// What GPUs have commands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Transfer {
    /// Slot 0 to slot 1.
    Copy,
    /// Slot 0, with the first inline byte.
    Fill,
}

/// The content of a source, to be compared.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct KernelKey {
    name: Cow<'static, str>,
    op: Cow<'static, str>,
    interface: Interface,
    cpu: Option<usize>,
    wgsl: Option<Wgsl>,
    msl: Option<Msl>,
    transfer: Option<Transfer>,
}

impl KernelSource {
    /// A kernel of this name that binds nothing yet, one thread to a workgroup.
    pub fn new(name: impl Into<Cow<'static, str>>) -> KernelSource {
        let name = name.into();
        KernelSource {
            op: name.clone(),
            name,
            interface: Interface {
                bindings: Vec::new(),
                inline_bytes: 0,
                workgroup: [1, 1, 1],
                shared: SharedMemory::None,
                touches_anything: false,
                overwritten: Vec::new(),
                is_transfer: false,
            },
            cpu: None,
            wgsl: None,
            msl: None,
            transfer: None,
            work: None,
        }
    }

    /// A kernel whose parts come out of a capture file.
    pub(crate) fn captured(
        name: String,
        op: String,
        interface: Interface,
        forms: Forms,
        work: Option<WorkFn>,
    ) -> KernelSource {
        let Forms { cpu, wgsl, msl } = forms;
        KernelSource {
            name: name.into(),
            op: op.into(),
            interface,
            cpu,
            wgsl,
            msl,
            transfer: None,
            work,
        }
    }

    /// The kind of operation, for fusion rules and profiles; by default the kernel's name.
    pub fn op(mut self, op: impl Into<Cow<'static, str>>) -> KernelSource {
        self.op = op.into();
        self
    }

    /// Declares slot `slot` as a run of elements of `T`.
    pub fn binding<T>(mut self, slot: u32, access: Access) -> KernelSource {
        let bindings = &mut self.interface.bindings;
        let at = bindings.partition_point(|binding| binding.slot <= slot);
        bindings.insert(
            at,
            Binding {
                slot,
                access,
                align: align_of::<T>() as u32,
            },
        );
        self
    }

    /// Declares that every dispatch writes all bytes bound at `slot`, which is written only: what was there before
    /// is lost. Plans need to know that before they give a value other memory, or do without it. Nothing checks it
    /// at run time: a kernel that writes a part of its view must not say so.
    pub fn overwrites(mut self, slot: u32) -> KernelSource {
        if !self.interface.overwritten.contains(&slot) {
            self.interface.overwritten.push(slot);
        }
        self
    }

    /// Declares inline constants laid out as `P`.
    pub fn inline<P>(mut self) -> KernelSource {
        self.interface.inline_bytes = u32::try_from(size_of::<P>()).unwrap_or(u32::MAX);
        self
    }

    /// Threads of one workgroup along each axis.
    pub fn workgroup(mut self, threads: [u32; 3]) -> KernelSource {
        self.interface.workgroup = threads;
        self
    }

    /// Memory shared by the threads of a workgroup.
    pub fn shared_memory(mut self, shared: SharedMemory) -> KernelSource {
        self.interface.shared = shared;
        self
    }

    /// Declares that the kernel may touch memory beyond its bindings, through addresses stored in buffers for
    /// example. Nothing runs beside it.
    pub fn touches_anything(mut self) -> KernelSource {
        self.interface.touches_anything = true;
        self
    }

    /// Adds a native CPU form.
    pub fn cpu(mut self, entry: CpuEntry) -> KernelSource {
        self.cpu = Some(entry);
        self
    }

    /// Adds a form in WGSL, which GPUs run. What it binds is read out of it; where the source declares bindings
    /// as well, for a native form, the two must agree.
    pub fn wgsl(mut self, wgsl: Wgsl) -> KernelSource {
        self.wgsl = Some(wgsl);
        self
    }

    /// Adds a form in the Metal Shading Language, which Metal runs rather than one in WGSL. What it binds, its inline
    /// constants, its workgroup and its shared memory are what the source declares.
    pub fn msl(mut self, msl: Msl) -> KernelSource {
        self.msl = Some(msl);
        self
    }

    /// Adds how much a dispatch has to do, for profiles. Without it, a dispatch is taken to read and write all that is
    /// bound, once, and to compute nothing.
    ///
    /// ```
    /// # use dacapo::{Access, Dispatched, KernelSource, Work};
    /// /// One multiplication and one addition for each element of `y`.
    /// fn work(call: &Dispatched<'_>) -> Work {
    ///     let (x, y) = (call.bytes(0), call.bytes(1));
    ///     Work { read: x + y, written: y, operations: 2 * (y / 4) }
    /// }
    ///
    /// let source = KernelSource::new("axpy")
    ///     .binding::<f32>(0, Access::Read)
    ///     .binding::<f32>(1, Access::ReadWrite)
    ///     .work(work);
    /// let work = source.work_of(&Dispatched::new(&[], &[(0, 400), (1, 400)], [100, 1, 1]));
    /// assert_eq!((work.read, work.operations), (800, 200));
    /// ```
    pub fn work(mut self, work: WorkFn) -> KernelSource {
        self.work = Some(work);
        self
    }

    /// Whether it says how much a dispatch has to do, by [`KernelSource::work`].
    pub fn has_work(&self) -> bool {
        self.work.is_some()
    }

    /// What a dispatch has to do. Of a form in WGSL, what is bound is only known once it is compiled:
    /// [`Kernel::work_of`](crate::Kernel::work_of).
    pub fn work_of(&self, call: &Dispatched<'_>) -> Work {
        self.work_within(&self.interface, call)
    }

    /// What a dispatch has to do, of a kernel that binds this.
    pub(crate) fn work_within(&self, interface: &Interface, call: &Dispatched<'_>) -> Work {
        match self.work {
            Some(work) => work(call),
            None => interface.all_bound(call),
        }
    }

    /// Says that a GPU has a command that does the same.
    pub(crate) fn or_transfer(mut self, transfer: Transfer) -> KernelSource {
        self.transfer = Some(transfer);
        self
    }

    pub(crate) fn transfer(&self) -> Option<Transfer> {
        self.transfer
    }

    /// The kernel's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn op_kind(&self) -> &str {
        &self.op
    }

    pub(crate) fn interface(&self) -> &Interface {
        &self.interface
    }

    /// What makes two sources the same kernel. Functions count by address: one function may have several,
    /// which costs a second compilation, and functions of one address run the same code.
    pub(crate) fn key(&self) -> KernelKey {
        let KernelSource {
            name,
            op,
            interface,
            cpu,
            wgsl,
            msl,
            transfer,
            // Says something about the kernel; it is not a part of it.
            work: _,
        } = self.clone();
        KernelKey {
            name,
            op,
            interface,
            cpu: cpu.map(|entry| entry as usize),
            wgsl,
            msl,
            transfer,
        }
    }

    pub(crate) fn work_fn(&self) -> Option<WorkFn> {
        self.work
    }

    pub(crate) fn cpu_entry(&self) -> Option<CpuEntry> {
        self.cpu
    }

    /// Its form in WGSL, if it has one.
    pub fn wgsl_form(&self) -> Option<&Wgsl> {
        self.wgsl.as_ref()
    }

    pub(crate) fn msl_form(&self) -> Option<&Msl> {
        self.msl.as_ref()
    }

    /// Whether it has a form that nothing keeps inside its buffers, and that capture files do not hold.
    pub(crate) fn has_native_form(&self) -> bool {
        self.cpu.is_some() || self.msl.is_some()
    }

    pub(crate) fn offered(&self) -> String {
        let forms = [
            self.cpu.map(|_| "a native CPU form"),
            self.wgsl.as_ref().map(|_| "WGSL"),
            self.msl.as_ref().map(|_| "MSL"),
        ];
        let forms: Vec<_> = forms.into_iter().flatten().collect();
        match &forms[..] {
            [] => "no form at all".to_owned(),
            [one] => (*one).to_owned(),
            [first @ .., last] => format!("{} and {last}", first.join(", ")),
        }
    }
}
