using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Http;

/// <summary>The form in which a client wants objects.</summary>
internal enum View
{
    /// <summary>The objects themselves.</summary>
    Objects,

    /// <summary>A table for people.</summary>
    Table,

    /// <summary>Metadata only.</summary>
    Metadata,
}

/// <summary>What an Accept header asks for.</summary>
/// <param name="View">The form.</param>
/// <param name="Version">The meta.k8s.io version of the form.</param>
internal sealed record Negotiation(View View, string Version)
{
    /// <summary>Takes the first acceptable entry; an empty header takes JSON.</summary>
    /// <exception cref="ApiException">406 when nothing fits.</exception>
    public static Negotiation Of(HttpRequest request)
    {
        var accept = request.Headers.Accept.ToString();
        if (accept.Length == 0)
            return new(View.Objects, "v1");
        foreach (var entry in accept.Split(',', StringSplitOptions.TrimEntries))
        {
            var parts = entry.Split(';', StringSplitOptions.TrimEntries);
            if (parts[0] is not ("application/json" or "application/*" or "*/*"))
                continue;
            string? Parameter(string name) => parts.FirstOrDefault(part => part.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];
            var version = Parameter("v") ?? "v1";
            switch (Parameter("as"))
            {
                case null:
                    return new(View.Objects, "v1");
                case "Table" when version is "v1" or "v1beta1":
                    return new(View.Table, version);
                case "PartialObjectMetadata" or "PartialObjectMetadataList" when version is "v1" or "v1beta1":
                    return new(View.Metadata, version);
            }
        }

        throw new ApiException(406, "NotAcceptable", "only the following media types are accepted: application/json");
    }
}
