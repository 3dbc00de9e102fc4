namespace AiFabric.Engine.Kernels;

/// <summary>Work cut into pieces that any thread of a <see cref="KernelPool"/> may run in any order.</summary>
internal unsafe interface IKernelJob
{
    /// <summary>Runs a piece. Must not throw.</summary>
    /// <param name="piece">From 0 to the number of pieces − 1.</param>
    /// <param name="scratch">The running thread's own memory, as large as was asked for.</param>
    void Run(int piece, float* scratch);
}
