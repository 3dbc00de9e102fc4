using System.Net;

namespace AiFabric.LocalCluster.Node;

/// <summary>Settings of the node that runs pods as processes.</summary>
public sealed class NodeOptions
{
    /// <summary>The node's name.</summary>
    public string Name { get; set; } = "local";

    /// <summary>Pods' folders, volumes and logs; they must outlive a restart of this process.</summary>
    public string DataFolder { get; set; } = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".aifabric", "node");

    /// <summary>
    /// What an image starts: image name or prefix → command line. The longest prefix wins; a tag or digest of the image is ignored
    /// unless the key has one. A container's own <c>command</c> overrides it.
    /// </summary>
    public IDictionary<string, IReadOnlyList<string>> Images { get; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>Pod IPs come from this /16 on loopback. Two clusters on one machine need different ones.</summary>
    public IPAddress PodNetwork { get; set; } = IPAddress.Parse("127.100.0.0");

    /// <summary>Delay before the second restart of a failing container; doubles per failure. (A kubelet takes 10 s.)</summary>
    public TimeSpan RestartBackoff { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest delay between restarts.</summary>
    public TimeSpan MaxRestartBackoff { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>A container that ran so long is healthy again: its failures are forgotten.</summary>
    public TimeSpan BackoffReset { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>How often processes are looked at.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Log bytes kept per container run; older ones are freed in steps of half of this.</summary>
    public long MaxLogBytes { get; set; } = 20L << 20;

    /// <summary>On a clean stop of this process, stop the pods too; otherwise (and after a crash) they run on and the next start adopts them.</summary>
    public bool StopPodsOnShutdown { get; set; } = true;

    /// <summary>How long a clean stop may take; pods that have not ended by then run on and are adopted by the next start.</summary>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(45);

    /// <summary>Pods that the node reports it can take.</summary>
    public int MaxPods { get; set; } = 110;

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        if (!Path.IsPathFullyQualified(DataFolder))
        {
            throw new ArgumentException($"{nameof(DataFolder)} must be an absolute path, not '{DataFolder}'");
        }

        if (!IPAddress.IsLoopback(PodNetwork))
        {
            throw new ArgumentException($"{nameof(PodNetwork)} must lie in 127.0.0.0/8, not {PodNetwork}");
        }

        if (RestartBackoff <= TimeSpan.Zero || PollInterval <= TimeSpan.Zero || MaxLogBytes < 1 << 16)
        {
            throw new ArgumentException($"{nameof(RestartBackoff)} and {nameof(PollInterval)} must be positive, {nameof(MaxLogBytes)} at least 65536");
        }
    }
}
