using AiFabric.Worker.CommandLine;

namespace AiFabric.Worker;

internal static class Program
{
    private static Task<int> Main(string[] arguments) => WorkerCommand.RunAsync(arguments, Environment.GetEnvironmentVariable, Console.Error);
}
