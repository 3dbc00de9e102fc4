using System.Runtime.InteropServices;
using System.Text;
using AiFabric.Engine.Interop;

namespace AiFabric.Engine.Cuda;

/// <summary>The few functions of NVIDIA's compiler and driver that kernels of our own need.</summary>
/// <remarks>
/// libtorch carries a small library, libcaffe2_nvrtc, that is linked with the right NVRTC and with the driver: a symbol looked up in it is found in those,
/// wherever the wheel keeps them.
/// </remarks>
internal sealed unsafe class CudaDriver
{
    private const string Compiler = "libcaffe2_nvrtc.so";
    private const int ComputeMajor = 75, ComputeMinor = 76, Processors = 16; // CUdevice_attribute

    private readonly nint library;
    private readonly delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int> launch;
    private readonly delegate* unmanaged<nint, nint, int> launchGraph;

    private CudaDriver(nint library)
    {
        this.library = library;
        launch = (delegate* unmanaged<nint, uint, uint, uint, uint, uint, uint, uint, nint, void**, void**, int>)Export("cuLaunchKernel");
        launchGraph = (delegate* unmanaged<nint, nint, int>)Export("cuGraphLaunch");
        (int major, int minor) = (Attribute(ComputeMajor), Attribute(ComputeMinor));
        Architecture = $"sm_{major}{minor}";
        Multiprocessors = Attribute(Processors);
    }

    /// <summary>For example <c>sm_90</c>.</summary>
    public string Architecture { get; }

    public int Multiprocessors { get; }

    /// <summary>Loads what libtorch brings. The calling thread must have used the device.</summary>
    /// <exception cref="DllNotFoundException">This libtorch brings no compiler.</exception>
    public static CudaDriver Load()
    {
        string folder = Path.GetDirectoryName(TorchRuntime.EnsureLoaded()) ?? "/";
        return new CudaDriver(NativeLibrary.Load(Path.Combine(folder, Compiler)));
    }

    /// <summary>Compiles CUDA C++.</summary>
    /// <param name="source">The text.</param>
    /// <param name="options">For example <c>-DHEAD=64</c>.</param>
    /// <returns>Machine code for this device.</returns>
    /// <exception cref="InvalidOperationException">It does not compile; the message holds the compiler's log.</exception>
    public byte[] Compile(string source, IReadOnlyList<string> options)
    {
        var create = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)Export("nvrtcCreateProgram");
        var compile = (delegate* unmanaged<nint, int, byte**, int>)Export("nvrtcCompileProgram");
        var destroy = (delegate* unmanaged<nint*, int>)Export("nvrtcDestroyProgram");
        nint program;
        fixed (byte* text = Encoding.UTF8.GetBytes(source + '\0'))
            Require(create(&program, text, null, 0, null, null), "nvrtcCreateProgram");
        nint[] arguments = [.. options.Append($"--gpu-architecture={Architecture}").Select(Marshal.StringToCoTaskMemUTF8)];
        try
        {
            int result;
            fixed (nint* first = arguments)
                result = compile(program, arguments.Length, (byte**)first);
            return result == 0
                ? Read(program, "nvrtcGetCUBINSize", "nvrtcGetCUBIN")
                : throw new InvalidOperationException($"CUDA kernels do not compile ({result}): {Encoding.UTF8.GetString(Read(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog"))}");
        }
        finally
        {
            foreach (nint argument in arguments)
                Marshal.FreeCoTaskMem(argument);
            destroy(&program);
        }
    }

    /// <summary>Loads machine code into the device's context, where it stays as long as the process lives.</summary>
    public nint LoadModule(byte[] code)
    {
        var load = (delegate* unmanaged<nint*, byte*, int>)Export("cuModuleLoadData");
        nint module;
        fixed (byte* first = code)
            Require(load(&module, first), "cuModuleLoadData");
        return module;
    }

    /// <summary>A kernel of a module.</summary>
    public nint Function(nint module, string name)
    {
        var find = (delegate* unmanaged<nint*, nint, byte*, int>)Export("cuModuleGetFunction");
        nint function;
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
            Require(find(&function, module, text), name);
        return function;
    }

    /// <summary>The stream of what is launched, for the engine's thread alone; 0 is the default one, which is libtorch's too.</summary>
    public nint Stream { get; set; }

    /// <summary>Starts a kernel behind whatever is on <see cref="Stream"/>.</summary>
    /// <param name="function">The kernel.</param>
    /// <param name="grid">Blocks in each direction.</param>
    /// <param name="threads">Of a block.</param>
    /// <param name="arguments">Pointers to its arguments.</param>
    /// <exception cref="InvalidOperationException">The driver refused.</exception>
    public void Launch(nint function, (int X, int Y, int Z) grid, int threads, void** arguments) =>
        Require(launch(function, (uint)grid.X, (uint)grid.Y, (uint)grid.Z, (uint)threads, 1, 1, 0, Stream, arguments, null), "cuLaunchKernel");

    /// <summary>Starts a captured graph behind whatever is on the default stream.</summary>
    public void LaunchGraph(nint graph) => Require(launchGraph(graph, 0), "cuGraphLaunch");

    /// <summary>A stream that waits for no other.</summary>
    public nint CreateStream()
    {
        const uint nonBlocking = 1;
        var create = (delegate* unmanaged<nint*, uint, int>)Export("cuStreamCreate");
        nint stream;
        Require(create(&stream, nonBlocking), "cuStreamCreate");
        return stream;
    }

    /// <summary>Waits for a stream.</summary>
    public void Synchronize(nint stream) => Require(((delegate* unmanaged<nint, int>)Export("cuStreamSynchronize"))(stream), "cuStreamSynchronize");

    /// <summary>Records what is launched on a stream instead of running it.</summary>
    /// <returns>A graph to launch as often as wanted.</returns>
    public nint Capture(nint stream, Action work)
    {
        const int thisThread = 1; // Others may go on with what a capture forbids.
        var begin = (delegate* unmanaged<nint, int, int>)Export("cuStreamBeginCapture_v2");
        var end = (delegate* unmanaged<nint, nint*, int>)Export("cuStreamEndCapture");
        var instantiate = (delegate* unmanaged<nint*, nint, ulong, int>)Export("cuGraphInstantiateWithFlags");
        var destroy = (delegate* unmanaged<nint, int>)Export("cuGraphDestroy");
        Require(begin(stream, thisThread), "cuStreamBeginCapture");
        nint recorded = 0, graph;
        try
        {
            work();
        }
        finally
        {
            if (end(stream, &recorded) != 0)
                recorded = 0;
        }
        if (recorded == 0)
            throw new InvalidOperationException("Something that cannot be captured was launched during a capture.");
        try
        {
            Require(instantiate(&graph, recorded, 0), "cuGraphInstantiateWithFlags");
            return graph;
        }
        finally
        {
            destroy(recorded);
        }
    }

    /// <summary>Frees a graph. What a lost device does not free goes with the process, which has other words to end with.</summary>
    public void Free(nint graph) => _ = ((delegate* unmanaged<nint, int>)Export("cuGraphExecDestroy"))(graph);

    private byte[] Read(nint program, string sizeOf, string contentOf)
    {
        var size = (delegate* unmanaged<nint, nuint*, int>)Export(sizeOf);
        var content = (delegate* unmanaged<nint, byte*, int>)Export(contentOf);
        nuint length;
        Require(size(program, &length), sizeOf);
        byte[] bytes = new byte[(int)length];
        fixed (byte* first = bytes)
            Require(content(program, first), contentOf);
        return bytes;
    }

    private int Attribute(int attribute)
    {
        var read = (delegate* unmanaged<int*, int, int, int>)Export("cuDeviceGetAttribute");
        int value;
        Require(read(&value, attribute, 0), "cuDeviceGetAttribute");
        return value;
    }

    private nint Export(string name) => NativeLibrary.GetExport(library, name);

    private static void Require(int result, string what)
    {
        if (result != 0)
            throw new InvalidOperationException($"{what} failed with CUDA's error {result}.");
    }
}
