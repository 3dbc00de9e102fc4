namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>The pod asks for something that is missing or that this node cannot do; its container waits with this reason.</summary>
internal sealed class ConfigException(string message) : Exception(message);
