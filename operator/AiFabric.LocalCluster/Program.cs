using AiFabric.LocalCluster.Hosting;
using AiFabric.LocalCluster.Storage;

LocalClusterOptions options;
try
{
    options = LocalClusterOptions.Parse(args);
}
catch (ArgumentException problem)
{
    await Console.Error.WriteLineAsync(problem.Message);
    return 2;
}

try
{
    using DataFolderLock _ = DataFolderLock.Take(options.DataDirectory);
    await LocalClusterHost.Build(options).RunAsync();
    return 0;
}
catch (DataFolderInUseException problem)
{
    await Console.Error.WriteLineAsync(problem.Message);
    return 1;
}
