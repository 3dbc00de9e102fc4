using AiFabric.Gateway;

// A token is read and written on the thread that heard of it (docs/design/0002). The runtime looks at this once, before the first socket.
Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
await GatewayHost.Build(args).RunAsync();
