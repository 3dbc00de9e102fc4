using AiFabric.Gateway;

await GatewayHost.Build(args).RunAsync();
