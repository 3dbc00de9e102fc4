using System.Net;

namespace AiFabric.LocalCluster.Node;

/// <summary>Hands out pod IPs from a /16 on loopback; a freed address is reused as late as possible.</summary>
internal sealed class PodAddresses(IPAddress network)
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _taken = [];
    private int _last = 1;

    public void Reserve(string address)
    {
        lock (_lock)
        {
            _taken.Add(address);
            byte[] octets = IPAddress.Parse(address).GetAddressBytes();
            _last = Math.Max(_last, (octets[2] << 8) | octets[3]);
        }
    }

    /// <exception cref="InvalidOperationException">All are taken.</exception>
    public string Take()
    {
        byte[] octets = network.GetAddressBytes();
        lock (_lock)
        {
            for (int i = 0; i < 65_000; i++)
            {
                _last = _last >= 65_000 ? 2 : _last + 1;
                string address = $"{octets[0]}.{octets[1]}.{_last >> 8}.{_last & 255}";
                if (_taken.Add(address))
                {
                    return address;
                }
            }
        }

        throw new InvalidOperationException($"the pod network {network}/16 has no free address");
    }

    public void Release(string address)
    {
        lock (_lock)
        {
            _taken.Remove(address);
        }
    }
}
