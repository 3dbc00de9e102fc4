using AiFabric.Operator;
using AiFabric.Operator.Hosting;
using Microsoft.Extensions.Options;

WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.AddSimpleConsole(console => console.SingleLine = true)
    .AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddFilter("System.Net.Http.HttpClient", LogLevel.Warning);
WebApplication app = OperatorHost.Build(builder);
try
{
    await app.RunAsync();
    return Environment.ExitCode; // Not 0 when the Lease was lost.
}
catch (OptionsValidationException e)
{
    Log.SettingsRefused(app.Logger, string.Join("; ", e.Failures));
    return 2;
}
