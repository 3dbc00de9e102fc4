using System.CommandLine;
using AiFabric.Benchmarks;
using AiFabric.Benchmarks.Verbs;

var root = new RootCommand("Measures AiFabric's parts at a size.")
{
    OperatorVerb.Create(), EngineVerb.Create(), PeerVerb.Create(), SchedulerVerb.Create(), GpuVerb.Create(), PipelineVerb.Create(), CoServeVerb.Create(), CoServeEngineVerb.Create(),
    MemoryVerb.Create(), GatewayVerb.Create(), GatewayVerb.CreateFake(), GatewayVerb.CreateBare(),
};
try
{
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (OperationCanceledException)
{
    return 130;
}
catch (Exception e) when (e is BenchException or HttpRequestException or IOException or UnauthorizedAccessException)
{
    await Console.Error.WriteLineAsync($"error: {e.Message}");
    return 1;
}
