using AiFabric.LocalCluster.Hosting;

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

await LocalClusterHost.Build(options).RunAsync();
return 0;
